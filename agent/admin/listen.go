package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// socketMode lets the owner and the group in. The directory can keep more
// people out.
const socketMode = 0o660

// Listen opens the listener that address names: unix:/path or host:port. A
// socket that a killed process has left is replaced; one at which somebody
// listens is an error.
func Listen(address string) (net.Listener, error) {
	if path, ok := socketPath(address); ok {
		l, err := listenSocket(path)
		if err != nil {
			return nil, fmt.Errorf("listen at %s: %w", address, err)
		}
		return l, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address) // it has been listened at
	return namedListener{l, host}, nil
}

func socketPath(address string) (string, bool) { return strings.CutPrefix(address, "unix:") }

// listenSocket binds beside path and renames, so that the socket is never
// there with another mode, and a dead one is replaced in one step.
func listenSocket(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, errors.New("there is a file that is no socket")
	default:
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("another process listens there")
		}
	}
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	made, err := os.Lstat(tmp)
	if err == nil {
		err = os.Chmod(tmp, socketMode)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		l.Close()
		os.Remove(tmp)
		return nil, err
	}
	return &socket{l, path, made}, nil
}

// socket removes its file when it is closed, unless another process has put
// its own there.
type socket struct {
	*net.UnixListener
	path string
	made fs.FileInfo
}

// Close implements net.Listener.
func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.made) {
		os.Remove(s.path)
	}
	return s.UnixListener.Close()
}

// namedListener remembers the name by which an address was given.
type namedListener struct {
	net.Listener
	host string
}

// Addr implements net.Listener.
func (l namedListener) Addr() net.Addr { return namedAddr{l.Listener.Addr(), l.host} }

type namedAddr struct {
	net.Addr
	host string
}
