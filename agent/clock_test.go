package agent

import (
	"testing"
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
	// Without a monotonic reading both clocks are the wall's: no jump.
	if got := c.jump(now.Round(0).Add(time.Hour)); got != 0 {
		t.Errorf("got %v", got)
	}
}
