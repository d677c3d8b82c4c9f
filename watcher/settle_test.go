package watcher

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestAPathIsDueWhenItHasSettled(t *testing.T) {
	const quiet = 50 * time.Millisecond
	start := time.Unix(1_800_000_000, 0)
	ms := func(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }
	tests := []struct {
		name    string
		touched []int // ms after start
		at      int   // ms after start
		due     bool
		nextIn  time.Duration
	}{
		{"nothing", nil, 100, false, 0},
		{"just now", []int{0}, 0, false, quiet},
		{"too early", []int{0}, 49, false, time.Millisecond},
		{"in time", []int{0}, 50, true, 0},
		{"written again meanwhile", []int{0, 40}, 50, false, 40 * time.Millisecond},
		{"then left alone", []int{0, 40}, 90, true, 0},
		{"written to for ever", []int{0, 900, 950, 990}, 1000, true, 0},
		{"shortly before that", []int{0, 900, 950, 990}, 999, false, time.Millisecond},
		{"the clock went back", []int{100}, 0, false, 150 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSettling(quiet)
			for _, at := range test.touched {
				s.touch("x", ms(at))
			}
			paths, nextIn := s.due(ms(test.at))
			if due := slices.Contains(paths, "x"); due != test.due || nextIn != test.nextIn {
				t.Errorf("got due %v, next in %v; want %v, %v", due, nextIn, test.due, test.nextIn)
			}
		})
	}
}

func TestTooManyPathsBecomeAllAndAreNotPutOff(t *testing.T) {
	s := newSettling(50 * time.Millisecond)
	now := time.Unix(1_800_000_000, 0)
	var o outbox
	for i := range 4 * maxPaths { // 2 s of events without a pause
		s.touch(fmt.Sprint(i), now)
		now = now.Add(100 * time.Microsecond)
		if len(s.paths) > maxPaths {
			t.Fatalf("holds %d paths", len(s.paths))
		}
	}
	paths, _ := s.due(now)
	if !slices.Contains(paths, everywhere) {
		t.Fatal("a stream of events puts the look at everything off")
	}
	o.add(paths)
	if !o.change.All || len(o.change.Paths) > 0 {
		t.Errorf("got %v, want All alone", o.change.All)
	}
}

func TestOutboxKeepsChangesTogether(t *testing.T) {
	var o outbox
	if !o.empty() {
		t.Error("a new one is not empty")
	}
	o.add([]string{"a", "b"})
	o.add([]string{"b", "c"})
	if got := o.change; got.All || !slices.Equal(got.Paths, []string{"a", "b", "c"}) {
		t.Errorf("got %+v, want a, b, c once each", got)
	}
	o.all()
	o.add([]string{"d"})
	if got := o.change; !got.All || got.Paths != nil {
		t.Errorf("got %+v, want All, which includes every path", got)
	}
}

func TestOutboxTurnsManyPathsIntoAll(t *testing.T) {
	var o outbox
	for i := range maxPaths + 1 {
		o.add([]string{fmt.Sprint(i)})
	}
	if !o.change.All {
		t.Errorf("got %d paths, want All", len(o.change.Paths))
	}
}
