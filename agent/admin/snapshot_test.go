package admin

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restaple/restaple/agent"
)

func TestManyWhoLookAreOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &scene{takes: 20 * time.Millisecond}
		s := newSnapshots()
		s.setSource(src)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := s.get(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := src.questions(); n != 1 {
			t.Errorf("%d questions to the loop, want 1", n)
		}
	})
}

// TestTheLoopGivesLittleOfItsTime scrapes as fast as it can.
func TestTheLoopGivesLittleOfItsTime(t *testing.T) {
	for _, tt := range []struct {
		takes, oldest time.Duration
	}{
		{time.Millisecond, snapshotLife},
		{300 * time.Millisecond, 6 * time.Second}, // a hundred thousand certificates
	} {
		synctest.Test(t, func(t *testing.T) {
			src := &scene{takes: tt.takes}
			s := newSnapshots()
			s.setSource(src)
			start := time.Now()
			for time.Since(start) < time.Minute {
				shot, err := s.get(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if age := time.Since(shot.at); age > tt.oldest {
					t.Fatalf("snapshot is %v old, want at most %v", age, tt.oldest)
				}
				time.Sleep(10 * time.Millisecond)
			}
			busy := time.Duration(src.questions()) * tt.takes
			if share := busy.Seconds() / time.Since(start).Seconds(); share > 0.05 {
				t.Errorf("takes %v: the loop was asked %.1f %% of the time, want 5 at most", tt.takes, 100*share)
			}
			if src.questions() < 9 {
				t.Errorf("takes %v: only %d snapshots in a minute", tt.takes, src.questions())
			}
		})
	}
}

func TestALoopThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSnapshots()
		s.setSource(&scene{hangs: true})
		var all sync.WaitGroup
		start := time.Now()
		for range 3 {
			all.Go(func() {
				if _, err := s.get(t.Context()); err == nil {
					t.Error("a snapshot of a loop that hangs")
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took > snapshotTimeout {
			t.Errorf("given up after %v, want %v", took, snapshotTimeout)
		}
		s.setSource(&scene{})
		if _, err := s.get(t.Context()); err != nil {
			t.Errorf("after another agent has taken over: %v", err)
		}
	})
}

func TestNobodyWaitsForLongerThanTheyCare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSnapshots()
		s.setSource(&scene{hangs: true})
		left := errors.New("left")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, left)
		defer cancel()
		if _, err := s.get(ctx); !errors.Is(err, left) {
			t.Errorf("error %v, want that of the caller", err)
		}
	})
}

func TestANewAgentIsShownAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSnapshots()
		old := &scene{takes: time.Second, certs: []agent.Certificate{{Path: "/old"}}}
		s.setSource(old)
		var slow sync.WaitGroup
		slow.Go(func() { _, _ = s.get(t.Context()) })
		synctest.Wait()
		s.setSource(&scene{certs: []agent.Certificate{{Path: "/new"}}}) // while the old one is still asked
		slow.Wait()
		shot, err := s.get(t.Context())
		if err != nil || shot.certs[0].Path != "/new" {
			t.Errorf("%+v, %v: want the new agent's", shot, err)
		}
	})
}

func TestHealthOfALoopThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Metrics: NewMetrics("1"), Log: quiet()})
		s.SetSource(&scene{hangs: true}, false)
		for _, path := range []string{"/healthz", "/", "/api/status"} {
			if got := ask(s.handler(socketAddr), path, "localhost"); got != 503 {
				t.Errorf("%s: %d, want 503", path, got)
			}
		}
		if got := ask(s.handler(socketAddr), "/metrics", "localhost"); got != 200 {
			t.Errorf("/metrics: %d, want 200: what was counted is still true", got)
		}
	})
}
