package stage

import (
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
		s.Listen(s.Address()).Close()
	}
}
