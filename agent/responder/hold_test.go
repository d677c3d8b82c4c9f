package responder

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestHoldIsBounded(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32})
	n.hold(24*time.Hour, noon)
	if got := n.closedUntil(noon); !got.Equal(noon.Add(holdMax)) {
		t.Errorf("closed until %v, want %v", got, noon.Add(holdMax))
	}
}

func TestWhatPassesAHold(t *testing.T) {
	for name, row := range map[string]struct {
		hold time.Duration
		left time.Duration // until the job's urgency; 0: it has none
		want bool
	}{
		"no staple to lose":             {10 * time.Minute, 0, false},
		"ended already":                 {10 * time.Minute, -time.Second, false},
		"ends meanwhile":                {10 * time.Minute, time.Minute, true},
		"ends soon after":               {10 * time.Minute, 19 * time.Minute, true},
		"ends long after":               {10 * time.Minute, 20 * time.Minute, false},
		"ends long after a short hold":  {5 * time.Second, 10 * time.Second, false},
		"ends soon after a short hold":  {5 * time.Second, 9 * time.Second, true},
		"ends after what is not obeyed": {24 * time.Hour, time.Hour, false},
	} {
		n := newLane("r", 4, LaneLimits{Max: 32})
		j := &job{}
		if row.left != 0 {
			j.urgency = noon.Add(row.left)
		}
		n.submit(j, noon) // before the hold, as well as during it
		n.hold(row.hold, noon)
		n.submit(j, noon)
		want := 0
		if row.want {
			want = 2
		}
		if got := len(n.pressing); got != want {
			t.Errorf("%s: %d of 2 pass", name, got)
		}
	}
}

func TestPressingJobsPassAHoldOneByOne(t *testing.T) {
	run(t, LaneOptions{}, func(l *Lanes) {
		var all gauge
		var at []time.Duration
		start := time.Now()
		l.Hold("r", time.Hour)
		var press func()
		press = func() { // as often as an agent would come back
			l.Submit("r", start.Add(5*time.Minute), func(ctx context.Context) Verdict {
				if HandedBack(ctx) == nil {
					at = append(at, time.Since(start))
				} else {
					time.AfterFunc(time.Second, press)
				}
				return all.job(time.Second, LaneOverloaded)(ctx)
			})
		}
		for range 8 {
			press()
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := all.most.Load(); got != 1 {
			t.Errorf("%d at once, want one", got)
		}
		want := []time.Duration{time.Second, 5 * time.Second, 21 * time.Second, 81 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("asked after %v, want %v", at, want)
		}
	})
}

func TestGoodAnswerLiftsAHold(t *testing.T) {
	var revived []string
	run(t, LaneOptions{Revived: func(host string) { revived = append(revived, host) }}, func(l *Lanes) {
		var before, after gauge
		start := time.Now()
		l.Submit("r", start, before.job(5*time.Second, LaneGood)) // on its way when the hold begins
		l.Hold("r", time.Hour)
		l.Submit("r", time.Time{}, after.job(0, LaneGood))
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if s := state(l, "r"); s.State != "held" || after.back.Load() != 1 {
			t.Errorf("after an answer to what was asked before it: %+v, %d handed back", s, after.back.Load())
		}
		l.Submit("r", start.Add(time.Minute), after.job(0, LaneGood))
		time.Sleep(time.Second)
		l.Submit("r", time.Time{}, after.job(0, LaneGood))
		synctest.Wait()
		if s := state(l, "r"); s.State != "open" || after.ended.Load() != 2 {
			t.Errorf("after a good answer: %+v, %d asked", s, after.ended.Load())
		}
	})
	if !slices.Equal(revived, []string{"r"}) {
		t.Errorf("revived: got %v", revived)
	}
}

func TestDownIsToldOnce(t *testing.T) {
	var waiting []int
	run(t, LaneOptions{Down: func(_ string, n int) { waiting = append(waiting, n) }}, func(l *Lanes) {
		var g gauge
		for range 100 {
			l.Submit("r", time.Now(), g.job(time.Second, LaneSilent)) // none ends before all are there
		}
		time.Sleep(time.Hour)
	})
	if !slices.Equal(waiting, []int{100 - silentStreak}) {
		t.Errorf("told %v, want once, with those that wait", waiting)
	}
}

func TestLaneThatIsDownIsForgottenSomeDay(t *testing.T) {
	run(t, LaneOptions{}, func(l *Lanes) {
		var g gauge
		for range silentStreak {
			l.Submit("dead", time.Now(), g.job(0, LaneSilent))
		}
		for h := 1; h < 30; h++ {
			time.Sleep(time.Hour)
			l.Submit("alive", time.Now(), g.job(0, LaneGood))
			synctest.Wait()
			known := state(l, "dead").State == "down"
			if h <= 24 && !known || h >= 27 && known {
				t.Errorf("after %d hours: known %v", h, known)
			}
		}
	})
}
