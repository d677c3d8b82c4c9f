package stage

import (
	"bytes"
	"sync"
	"time"
)

// watchPause is how long a watch rests between two looks.
const watchPause = 25 * time.Millisecond

// Watch looks at a server again and again, so that nothing wrong is missed
// that is served only for a moment.
type Watch struct {
	s      *Stage
	client Client
	stop   chan struct{}
	done   chan struct{}

	mu       sync.Mutex
	sights   []Sight // each as long as it lasted is one
	failures []error
	gap      time.Duration // the longest time in which all handshakes failed
	since    time.Time     // all have failed since then; zero: the last did not
}

// Watch begins to watch a server.
func (s *Stage) Watch(c Client) *Watch {
	w := &Watch{s: s, client: c, stop: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	s.T.Cleanup(w.end)
	return w
}

func (w *Watch) run() {
	defer close(w.done)
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for {
		w.look()
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
	}
}

func (w *Watch) look() {
	begun := time.Now()
	sight, err := w.client.Look()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failures = append(w.failures, err)
		if w.since.IsZero() {
			w.since = begun
		}
		w.gap = max(w.gap, begun.Sub(w.since))
		return
	}
	w.since = time.Time{}
	if n := len(w.sights); n > 0 {
		last := w.sights[n-1]
		if last.Leaf.Equal(sight.Leaf) && bytes.Equal(last.Staple, sight.Staple) && last.Kind == sight.Kind {
			return
		}
	}
	w.sights = append(w.sights, sight)
}

func (w *Watch) end() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	<-w.done
}

// End ends the watch. Whatever happened, no client may have seen a staple that
// is not of the certificate beside it, nor one that has expired. Failed
// handshakes are for the example to judge.
func (w *Watch) End() (failures []error) {
	w.s.T.Helper()
	w.end()
	for _, sight := range w.sights {
		w.s.T.Logf("%s: seen: %v", w.client.Address, sight)
		if sight.Kind == Wrong || sight.Kind == Expired {
			w.s.T.Errorf("%s: got a staple that must never be seen: %v", w.client.Address, sight)
		}
	}
	return w.failures
}

// Gap is the longest time in which all handshakes of an ended watch failed.
func (w *Watch) Gap() time.Duration { return w.gap }
