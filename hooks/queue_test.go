package hooks

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAThousandStaplesMakeOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		q := newQueue(t, QueueOptions{Action: &r})
		start(t, q)
		begin := time.Now()
		for i := range 1000 {
			happen(t, q, placed(fmt.Sprint(i)))
			time.Sleep(2 * time.Millisecond)
		}
		pass(time.Hour)
		if got := r.calls(); got != 1 {
			t.Fatalf("got %d deliveries, want 1", got)
		}
		if got := len(r.told[0]); got != 1000 {
			t.Errorf("got %d changes, want 1000", got)
		}
		if got, want := r.at[0].Sub(begin), 999*2*time.Millisecond+time.Second; got != want {
			t.Errorf("delivered after %v, want %v", got, want)
		}
	})
}

func TestAStreamOfChangesCannotPutADeliveryOffForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		q := newQueue(t, QueueOptions{Action: &r})
		start(t, q)
		begin := time.Now()
		for i := range 180 {
			happen(t, q, placed(fmt.Sprint(i)))
			time.Sleep(500 * time.Millisecond)
		}
		pass(time.Hour)
		var got []time.Duration
		for _, at := range r.at {
			got = append(got, at.Sub(begin).Round(500*time.Millisecond))
		}
		if len(got) != 3 || got[0] != 30*time.Second {
			t.Errorf("got deliveries after %v, want three, the first after 30s", got)
		}
	})
}

func TestADeliveryWaitsForWhatIsExpected(t *testing.T) {
	for name, row := range map[string]struct {
		writing, want time.Duration
	}{
		"a slow disk":         {10 * time.Second, 11 * time.Second},
		"one that says never": {time.Hour, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r recorder
				q := newQueue(t, QueueOptions{Action: &r})
				start(t, q)
				begin := time.Now()
				done := q.Expect()
				happen(t, q, placed("a"))
				pass(row.writing)
				happen(t, q, placed("b"))
				done()
				pass(time.Hour)
				if got := r.at[0].Sub(begin); got != row.want {
					t.Errorf("delivered after %v, want %v", got, row.want)
				}
			})
		})
	}
}

func TestDueAt(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return base.Add(time.Duration(seconds) * time.Second) }
	tests := []struct {
		name              string
		first, last, want int
		notBefore         time.Time
	}{
		{name: "one change", first: 5, last: 5, want: 6},
		{name: "a short burst", first: 5, last: 8, want: 9},
		{name: "a long burst", first: 5, last: 30, want: 15},
		{name: "while a failure waits", first: 5, last: 5, notBefore: at(100), want: 100},
		{name: "after a failure has waited", first: 5, last: 200, notBefore: at(100), want: 100},
		{name: "new changes long after a failure", first: 99, last: 101, notBefore: at(100), want: 102},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := dueAt(at(test.first), at(test.last), test.notBefore, time.Second, 10*time.Second)
			if !got.Equal(at(test.want)) {
				t.Errorf("got %v, want %v", got, at(test.want))
			}
		})
	}
}

func TestALaterChangeOfAFileSupersedesTheEarlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		q := newQueue(t, QueueOptions{Action: &r, Events: Events()})
		start(t, q)
		happen(t, q, placed("a", "b"))
		happen(t, q, []Change{
			{Event: Revoked, Cert: "a.pem", Staple: "a"},
			{Event: Withdrawn, Cert: "a.pem", Staple: "a"},
		})
		happen(t, q, placed("b"))
		pass(time.Hour)
		if got, want := r.staples(0), "withdrawn:a placed:b revoked:a"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestAHookIsToldOnlyOfTheEventsItListensTo(t *testing.T) {
	all := []Change{
		{Event: Placed, Staple: "a"}, {Event: Withdrawn, Staple: "b"}, {Event: Revoked, Staple: "c"},
	}
	for _, test := range []struct {
		events []Event
		want   string
	}{
		{nil, "placed:a withdrawn:b"},
		{[]Event{Revoked}, "revoked:c"},
		{Events(), "placed:a withdrawn:b revoked:c"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var r recorder
			q := newQueue(t, QueueOptions{Action: &r, Events: test.events})
			start(t, q)
			happen(t, q, all)
			pass(time.Hour)
			if got := r.staples(0); got != test.want {
				t.Errorf("%v: got %q, want %q", test.events, got, test.want)
			}
		})
	}
}

func TestAFailedDeliveryIsRetriedWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{failures: 12}
		q := newQueue(t, QueueOptions{Action: &r})
		start(t, q)
		happen(t, q, placed("a"))
		time.Sleep(2500 * time.Millisecond)
		happen(t, q, placed("b")) // waits with the other
		pass(24 * time.Hour)
		if got := r.calls(); got != 13 {
			t.Fatalf("got %d attempts, want 13", got)
		}
		for i := 1; i < len(r.at); i++ {
			least := min(time.Second<<(i-1), 5*time.Minute)
			if got := r.at[i].Sub(r.at[i-1]); got < least || got > least+least/10 {
				t.Errorf("attempt %d after %v, want %v and up to a tenth more", i+1, got, least)
			}
		}
		if got, want := r.staples(12), "placed:a placed:b"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestRetryInStaysInBounds(t *testing.T) {
	for _, failures := range []int{1, 2, 10, 16, 17, 64, 1 << 40} {
		for _, chance := range []float64{0, 0.5, 1} {
			got := retryIn(failures, chance)
			if got < firstRetry || got > lastRetry+lastRetry/10 {
				t.Errorf("%d failures: got %v", failures, got)
			}
		}
	}
}

func TestChangesDuringADeliveryAreDeliveredNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{takes: 10 * time.Second}
		q := newQueue(t, QueueOptions{Action: &r, Delay: -1})
		start(t, q)
		happen(t, q, placed("a", "b"))
		time.Sleep(time.Second)
		happen(t, q, placed("b", "c"))
		if got := q.State().Pending; got != 4 {
			t.Errorf("got %d pending, want 4", got)
		}
		pass(time.Hour)
		if got, want := r.staples(0)+", "+r.staples(1), "placed:a placed:b, placed:b placed:c"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestADeliveryEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{takes: time.Hour}
		var took time.Duration
		q := newQueue(t, QueueOptions{Action: &r, Timeout: 3 * time.Second, Result: func(err error, d time.Duration) {
			took = d
		}})
		happen(t, q, placed("a"))
		err := q.Flush(t.Context())
		if got, want := fmt.Sprint(err), "hook reload: it took longer than 3s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

func TestStateSaysHowTheHookStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{failures: 1}
		q := newQueue(t, QueueOptions{Action: &r})
		happen(t, q, placed("a"))
		if got := q.State(); got != (QueueState{Name: "reload", Pending: 1}) {
			t.Errorf("at first: got %+v", got)
		}
		err := q.Flush(t.Context())
		now := time.Now()
		s := q.State()
		if s.Pending != 1 || s.Attempts != 1 || !errors.Is(s.Err, err) || !s.TriedAt.Equal(now) || !s.RetryAt.After(now) {
			t.Errorf("after a failure: got %+v", s)
		}
		time.Sleep(time.Minute)
		if err := q.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = time.Now()
		if got := q.State(); got != (QueueState{Name: "reload", TriedAt: now, DeliveredAt: now}) {
			t.Errorf("after a success: got %+v", got)
		}
	})
}

func TestTheSameFailureIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := recorder{failures: 8}
		q := newQueue(t, QueueOptions{Action: &r, Log: slog.New(slog.NewTextHandler(&log, nil))})
		start(t, q)
		happen(t, q, placed("a"))
		pass(24 * time.Hour)
		var got []string
		for line := range strings.Lines(log.String()) {
			got = append(got, strings.Fields(line)[1])
		}
		if want := []string{"level=WARN", "level=ERROR", "level=INFO"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v:\n%s", got, want, &log)
		}
	})
}

// What Run is told to stop in the midst of is finished if that is quick, and
// what is pending is delivered, unless it failed just now.
func TestRunEndsCleanly(t *testing.T) {
	tests := []struct {
		name     string
		takes    time.Duration
		failures int
		after    time.Duration // the change, Run is told to stop
		calls    int
		within   time.Duration
		left     int // marks
	}{
		{name: "nothing under way", after: time.Hour, calls: 1, within: 0},
		{name: "a change waits", after: 0, calls: 1, within: 0},
		{name: "a quick delivery is under way", takes: 2 * time.Second, after: 2 * time.Second, calls: 1, within: 2 * time.Second},
		{name: "a slow delivery is under way", takes: time.Minute, after: 2 * time.Second, calls: 1, within: stopGrace, left: 1},
		{name: "a slow delivery waits", takes: time.Minute, after: 0, calls: 1, within: stopGrace, left: 1},
		{name: "a failed delivery waits", failures: 9, after: 1500 * time.Millisecond, calls: 1, within: 0, left: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				r := recorder{takes: test.takes, failures: test.failures}
				q := newQueue(t, QueueOptions{Action: &r, Dir: dir, Timeout: 2 * time.Minute})
				stop := start(t, q)
				happen(t, q, placed("a"))
				time.Sleep(test.after)
				begin := time.Now()
				stop()
				if got := time.Since(begin); got > test.within {
					t.Errorf("it took %v, want at most %v", got, test.within)
				}
				if got := r.calls(); got != test.calls {
					t.Errorf("got %d attempts, want %d", got, test.calls)
				}
			})
			wantMarks(t, dir, test.left)
		})
	}
}

func TestQueueNeedsItsOptions(t *testing.T) {
	good := QueueOptions{Name: "reload", Action: &recorder{}, Log: quiet}
	for name, spoil := range map[string]func(*QueueOptions){
		"name":   func(o *QueueOptions) { o.Name = "" },
		"action": func(o *QueueOptions) { o.Action = nil },
		"log":    func(o *QueueOptions) { o.Log = nil },
	} {
		o := good
		spoil(&o)
		if _, err := NewQueue(o); err == nil {
			t.Errorf("no %s: got no error", name)
		}
	}
}
