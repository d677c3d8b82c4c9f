package agent

import (
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestClockJumps(t *testing.T) {
	for name, row := range map[string]struct{ wall, passed, want time.Duration }{
		"nothing special":       {20 * time.Second, 20 * time.Second, 0},
		"slewed":                {20*time.Second + 200*time.Millisecond, 20 * time.Second, 0},
		"suspended for an hour": {time.Hour + time.Second, time.Second, time.Hour},
		"set back by a day":     {time.Second - 24*time.Hour, time.Second, -24 * time.Hour},
		"just within the limit": {31 * time.Second, time.Second, 0},
		"just beyond it":        {32 * time.Second, time.Second, 31 * time.Second},
	} {
		if got := beyond(row.wall, row.passed); got != row.want {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
	var c clock
	now := time.Now()
	if got := c.jump(now); got != 0 {
		t.Errorf("first call: %v", got)
	}
	c.wall = c.wall.Add(-time.Hour)
	if got := c.jump(now.Add(time.Second)); got != time.Hour {
		t.Errorf("the wall clock is an hour ahead of what it was: got %v", got)
	}
	if got := c.jump(now.Add(2 * time.Second)); got != 0 {
		t.Errorf("after it: got %v", got)
	}
}

// ahead makes a running agent believe that its clock was ahead until now.
func (b *bubble) ahead(by time.Duration, f func(s *subject)) {
	a := b.agent
	a.onLoop(b.t.Context(), func() {
		for _, s := range a.subjects {
			f(s)
		}
		a.clock.wall = a.clock.wall.Add(by)
	})
	synctest.Wait()
}

func TestClockSetBackDelaysNothing(t *testing.T) {
	const fortnight = 14 * 24 * time.Hour
	for name, row := range map[string]struct {
		dead   bool // the responder, until the clock is right again
		within time.Duration
		was    func(s *subject) // by a clock that was a fortnight ahead
	}{
		"every answer had expired": {dead: true, within: time.Minute, was: func(s *subject) {
			s.attempts, s.askedAt = 30, wall().Add(fortnight)
		}},
		"the last answer was good, and the staple has been lost since": {within: time.Minute, was: func(s *subject) {
			s.askedAt = wall().Add(fortnight)
			s.targets[0].disk = disk{}
			_ = os.Remove(s.targets[0].staple)
		}},
		"nothing newer had come": {within: 35 * time.Minute, was: func(s *subject) {
			s.quiet, s.askedAt = true, wall().Add(fortnight)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.issue("site.pem", a0)
				b.behave("a.example", b.good(time.Hour, 0))
				if row.dead {
					b.behave("a.example", refuse(404, 0))
				}
				b.run(nil)
				b.pass(time.Second)
				b.behave("a.example", b.good(time.Hour, 0))
				before := b.requests()
				b.ahead(fortnight, row.was)
				b.pass(row.within)
				if b.requests() == before {
					t.Errorf("not asked within %v of the jump", row.within)
				}
				if got := b.states(); got[Fresh] != 1 {
					t.Errorf("states: %v", got)
				}
				if got := b.log.from(slog.LevelInfo, "clock jumped: set, or the machine was suspended"); len(got) != 1 {
					t.Errorf("the jump was said %d times", len(got))
				}
			})
		})
	}
}

func TestClockSetBackHasEveryFileVerifiedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(time.Hour, 0))
		b.run(nil)
		b.pass(time.Second)
		old := time.Time{}
		b.ahead(time.Hour, func(s *subject) {
			d := &s.targets[0].disk
			old, d.ends = d.ends, d.ends.Add(time.Hour) // what only reading it again puts right
			s.expectUntil = wall().Add(90 * 24 * time.Hour)
			s.targets[0].writeAt = wall().Add(time.Hour)
		})
		b.pass(time.Second)
		b.ahead(0, func(s *subject) {
			if got := s.targets[0].disk.ends; !got.Equal(old) {
				t.Errorf("the staple ends at %v: it was not read again", got)
			}
			if s.expectUntil.After(wall().Add(brandNew)) {
				t.Errorf("brand-new until %v", s.expectUntil)
			}
			if at := s.targets[0].writeAt; at.After(wall()) {
				t.Errorf("not written before %v", at)
			}
		})
	})
}

func TestSuspendIsSurvived(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(time.Hour, 0))
		b.run(nil)
		b.pass(time.Second)
		b.ahead(-8*time.Hour, func(*subject) {}) // the clock goes on where time stood still
		if got := b.log.from(slog.LevelInfo, "clock jumped: set, or the machine was suspended"); len(got) != 1 {
			t.Errorf("said %d times", len(got))
		}
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("states: %v", got)
		}
	})
}
