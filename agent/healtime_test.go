package agent

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restaple/restaple/hooks"
)

// distant is a server that comes and goes, and takes its time.
type distant struct {
	mu       sync.Mutex
	there    bool
	takes    time.Duration
	compared int
}

func (d *distant) Identity(context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.there {
		return "", fs.ErrNotExist
	}
	return "1", nil
}

func (d *distant) Reconcile(ctx context.Context, _ []hooks.Change) (int, error) {
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.compared++
	return 0, nil
}

func (d *distant) be(there bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.there = there
}

func (d *distant) Deliver(context.Context, []hooks.Change) error { return nil }

// healing runs a.heal, in a bubble, for a server that is expected or not.
func healing(t *testing.T, d *distant, timeout time.Duration, expected bool) (*hooks.Queue, *bytes.Buffer) {
	t.Helper()
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	q, err := hooks.NewQueue(hooks.QueueOptions{Name: "haproxy", Action: d, Timeout: timeout, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	close(ended)
	a := &Agent{log: log, ended: ended, scanned: true}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.heal(ctx, Held{Queue: q, Holder: d, Expected: expected}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return q, &said
}

func TestAServerThatShouldBeThereAndIsNotIsSaidOnce(t *testing.T) {
	for _, expected := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := &distant{}
			q, said := healing(t, d, time.Minute, expected)
			check := func(warnings int, failing bool) {
				t.Helper()
				synctest.Wait()
				if !expected {
					warnings, failing = 0, false
				}
				if got := strings.Count(said.String(), "level=WARN"); got != warnings {
					t.Errorf("expected %v: warned %d times, want %d:\n%s", expected, got, warnings, said)
				}
				if got := q.State().Err != nil; got != failing {
					t.Errorf("expected %v: hook failing %v, want %v", expected, got, failing)
				}
			}
			time.Sleep(absentFor - time.Second) // it is just starting
			check(0, false)
			time.Sleep(time.Hour)
			check(1, true)
			d.be(true)
			time.Sleep(2 * healEvery)
			check(1, false)
			d.be(false)
			time.Sleep(time.Hour)
			check(2, true)
		})
	}
}

// A hundred thousand staples take longer than a few.
func TestAComparisonMayTakeAsLongAsADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &distant{there: true, takes: 4 * time.Minute}
		_, said := healing(t, d, 5*time.Minute, false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if d.mu.Lock(); d.compared != 1 {
			t.Errorf("compared %d times, want once: %s", d.compared, said)
		}
		d.mu.Unlock()
	})
}
