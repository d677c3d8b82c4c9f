package stage

import (
	"net"
	"os/exec"
	"sync"
	"testing"
)

// TestAnAddressIsFree also while other processes are being started, which have
// this one's sockets for a moment.
func TestAnAddressIsFree(t *testing.T) {
	s := New(t, "true")
	stop := make(chan struct{})
	var starters sync.WaitGroup
	defer starters.Wait()
	defer close(stop)
	for range 4 {
		starters.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 200 {
		address := s.Address()
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		s.Listen(address).Close()
	}
}

func TestWhereSomebodyListensIsNotFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if port := l.Addr().(*net.TCPAddr).Port; free(port) {
		t.Errorf("%d: got free", port)
	}
}
