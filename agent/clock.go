package agent

import (
	"context"
	"time"

	"github.com/restaple/restaple/watcher"
)

// jumpLimit is by how much the wall clock may differ from the time that has
// really passed without a word. NTP slews by less between two wake-ups.
const jumpLimit = 30 * time.Second

// clock notices when the wall clock was set, or the machine was suspended.
type clock struct {
	wall    time.Time // when it was last asked
	elapsed time.Time // the same by the monotonic clock
}

// jump returns by how much the wall clock has moved more than time has passed
// since the last call; 0 if it is within the limit. Timers stand still during
// a suspend, and so does the monotonic reading.
func (c *clock) jump(now time.Time) time.Duration {
	last := *c
	*c = clock{now.Round(0), now}
	if last.wall.IsZero() {
		return 0
	}
	return beyond(c.wall.Sub(last.wall), now.Sub(last.elapsed))
}

// beyond compares what two clocks have measured.
func beyond(wall, passed time.Duration) time.Duration {
	if d := wall - passed; d.Abs() > jumpLimit {
		return d
	}
	return 0
}

// checkClock looks at everything anew after a jump. After one backwards, a
// staple that was valid may not be so yet: every file is verified again.
func (a *Agent) checkClock(ctx context.Context) {
	jump := a.clock.jump(time.Now())
	if jump == 0 {
		return
	}
	a.log.Info("clock jumped: set, or the machine was suspended", "ahead", jump.Round(time.Second))
	now := wall()
	if jump < 0 {
		a.turnBack(now, jump)
	}
	for _, s := range a.subjects {
		s.At = now
		a.due.Set(s)
	}
	a.lookEverywhere(ctx)
}

// turnBack forgets what was noted by a clock that was ahead: pauses would be
// counted from a time that is yet to come.
func (a *Agent) turnBack(now time.Time, jump time.Duration) {
	if !a.until.IsZero() {
		a.until = a.until.Add(jump)
	}
	for _, s := range a.subjects {
		if s.askedAt.After(now) {
			s.askedAt = now
		}
		// The failures may have been the clock's: what is verified by a
		// clock that is ahead has expired.
		s.attempts = min(s.attempts, 1)
		if latest := now.Add(brandNew); s.expectUntil.After(latest) {
			s.expectUntil = latest
		}
	}
	for _, t := range a.targets {
		t.disk.stamp = watcher.Stamp{}
		if t.writeAt.After(now) {
			t.writeAt = time.Time{}
		}
	}
}
