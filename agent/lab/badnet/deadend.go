package badnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

const (
	// deadEndTries is more than a queue for one holds.
	deadEndTries = 16
	// noAnswer is how long a connection on loopback may take that is made.
	noAnswer = 500 * time.Millisecond
)

// DeadEnd makes address one where connecting takes for ever, as behind a
// firewall that drops packets: a listener that nobody accepts from, with its
// queue full. The returned function ends it.
func DeadEnd(address netip.AddrPort) (end func(), err error) {
	family, at := syscall.AF_INET, syscall.Sockaddr(&syscall.SockaddrInet4{Port: int(address.Port()), Addr: v4(address)})
	if address.Addr().Is6() {
		family, at = syscall.AF_INET6, &syscall.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	var queued []net.Conn
	end = func() {
		for _, c := range queued {
			_ = c.Close()
		}
		_ = syscall.Close(fd)
	}
	if err := errors.Join(os.NewSyscallError("bind", syscall.Bind(fd, at)), os.NewSyscallError("listen", syscall.Listen(fd, 0))); err != nil {
		end()
		return nil, err
	}
	for range deadEndTries {
		c, err := net.DialTimeout("tcp", address.String(), noAnswer)
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			return end, nil
		}
		if err != nil {
			end()
			return nil, err
		}
		queued = append(queued, c)
	}
	end()
	return nil, fmt.Errorf("%s takes %d connections without accepting them", address, deadEndTries)
}

func v4(a netip.AddrPort) (octets [4]byte) {
	if a.Addr().Is4() {
		return a.Addr().As4()
	}
	return octets
}
