package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// recorder is an action that remembers what it was told and when.
type recorder struct {
	failures int           // of the first attempts
	takes    time.Duration // of each attempt

	mu   sync.Mutex
	told [][]Change
	at   []time.Time
}

func (r *recorder) Deliver(ctx context.Context, changes []Change) error {
	r.mu.Lock()
	r.told = append(r.told, slices.Clone(changes))
	r.at = append(r.at, time.Now())
	attempt := len(r.told)
	r.mu.Unlock()
	select {
	case <-time.After(r.takes):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if attempt <= r.failures {
		return errors.New("server is away")
	}
	return nil
}

// staples returns what the n-th attempt was told, one word per change.
func (r *recorder) staples(n int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n >= len(r.told) {
		return "not called"
	}
	var words []string
	for _, c := range r.told[n] {
		words = append(words, fmt.Sprintf("%s:%s", c.Event, c.Staple))
	}
	return strings.Join(words, " ")
}

func (r *recorder) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

func newQueue(t *testing.T, o QueueOptions) *Queue {
	t.Helper()
	if o.Name == "" {
		o.Name = "reload"
	}
	if o.Log == nil {
		o.Log = quiet
	}
	q, err := NewQueue(o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// start runs q until the end of the test, or until the returned function is
// called.
func start(t *testing.T, q *Queue) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := q.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// pass lets time pass in a bubble, and everything happen that is due.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func placed(staples ...string) []Change {
	var changes []Change
	for _, s := range staples {
		changes = append(changes, Change{Event: Placed, Cert: s + ".pem", Staple: s})
	}
	return changes
}

// happen promises the changes and keeps the promise.
func happen(t *testing.T, q *Queue, changes []Change) {
	t.Helper()
	p, err := q.Promise(changes)
	if err != nil {
		t.Fatal(err)
	}
	p.Keep(changes)
}

func wantMarks(t *testing.T, dir string, want int) {
	t.Helper()
	marks, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(marks) != want {
		t.Errorf("got marks %v (%v), want %d", marks, err, want)
	}
}
