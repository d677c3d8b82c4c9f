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
type clock struct{ last time.Time }

// jump returns by how much the wall clock has moved more than time has passed
// since the last call; 0 if it is within the limit. Timers stand still during
// a suspend, and so does the monotonic reading.
func (c *clock) jump(now time.Time) time.Duration {
	last := c.last
	c.last = now
	if last.IsZero() {
		return 0
	}
	return beyond(now.Round(0).Sub(last.Round(0)), now.Sub(last))
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
	for _, s := range a.subjects {
		s.at = now
		a.due.set(s)
	}
	if jump < 0 {
		for _, t := range a.targets {
			t.disk.stamp = watcher.Stamp{}
		}
	}
	a.lookEverywhere(ctx)
}
