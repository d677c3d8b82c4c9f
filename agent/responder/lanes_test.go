package responder

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// run runs lanes in a bubble and ends them after f.
func run(t *testing.T, o LaneOptions, f func(l *Lanes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		synctest.Wait()
		f(l)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// gauge counts jobs in flight.
type gauge struct {
	now, most, ended, back atomic.Int64
}

// job takes the time and says v, unless it is handed back.
func (g *gauge) job(took time.Duration, v Verdict) func(context.Context) Verdict {
	return func(ctx context.Context) Verdict {
		if HandedBack(ctx) != nil {
			g.back.Add(1)
			return LaneNeutral
		}
		n := g.now.Add(1)
		for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
		}
		select {
		case <-time.After(took):
		case <-ctx.Done():
			v = LaneNeutral
		}
		g.now.Add(-1)
		g.ended.Add(1)
		return v
	}
}

func state(l *Lanes, host string) LaneState {
	for _, s := range l.Snapshot() {
		if s.Host == host {
			return s
		}
	}
	return LaneState{}
}

func TestThousandQuestionsAtFullWidth(t *testing.T) {
	run(t, LaneOptions{}, func(l *Lanes) {
		var g gauge
		start := time.Now()
		for range 1000 {
			l.Submit("r", start, g.job(50*time.Millisecond, LaneGood))
		}
		for g.ended.Load() < 1000 {
			time.Sleep(time.Millisecond)
		}
		// 1,000 × 50 ms / 32, and a start that has to be earned.
		if took, most := time.Since(start), 1560*time.Millisecond*115/100; took > most {
			t.Errorf("took %v, want at most %v", took, most)
		}
		if got := g.most.Load(); got != 32 {
			t.Errorf("at most %d in flight, want 32", got)
		}
	})
}

func TestHangingResponderDelaysNoOther(t *testing.T) {
	run(t, LaneOptions{Global: 20}, func(l *Lanes) {
		var hanging, other gauge
		start := time.Now()
		for i := range 10000 {
			l.Submit(fmt.Sprintf("dead%d", i%20), start, hanging.job(15*time.Second, LaneSilent))
		}
		synctest.Wait()
		for i := range 50 {
			l.Submit(fmt.Sprintf("alive%d", i), start.Add(time.Hour), other.job(50*time.Millisecond, LaneGood))
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if got := other.ended.Load(); got != 50 {
			t.Errorf("after its own time %d of 50 are through", got)
		}
		if got := hanging.most.Load(); got > 20+20 {
			t.Errorf("%d hang, want at most the global limit and one per lane", got)
		}
	})
}

func TestLaneOfADeadResponderHandsItsJobsBack(t *testing.T) {
	run(t, LaneOptions{}, func(l *Lanes) {
		var g gauge
		start := time.Now()
		for range 10000 {
			l.Submit("r", start, g.job(15*time.Second, LaneSilent))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := g.ended.Load() + g.back.Load(); got != 10000 {
			t.Errorf("%d of 10000 have an outcome", got)
		}
		if got := g.ended.Load(); got > 12 {
			t.Errorf("asked a dead responder %d times", got)
		}
		if s := state(l, "r"); s.State != "down" || s.Queued != 0 || s.Limit != 1 {
			t.Errorf("state: got %+v", s)
		}
	})
}

func TestShortOutageIsWaitedOut(t *testing.T) {
	var revived []string
	o := LaneOptions{Revived: func(host string) { revived = append(revived, host) }}
	run(t, o, func(l *Lanes) {
		var g gauge
		start := time.Now()
		for range 200 {
			l.Submit("r", start, func(ctx context.Context) Verdict {
				v := LaneGood
				if time.Since(start) < 4*time.Second {
					v = LaneSilent
				}
				return g.job(time.Millisecond, v)(ctx)
			})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if g.back.Load() != 0 || g.ended.Load() != 200 {
			t.Errorf("%d handed back, %d ended", g.back.Load(), g.ended.Load())
		}
	})
	if !slices.Equal(revived, []string{"r"}) {
		t.Errorf("revived: got %v", revived)
	}
}

func TestImpatientLanesHandBackAtOnce(t *testing.T) {
	run(t, LaneOptions{Patience: -1}, func(l *Lanes) {
		var g gauge
		for range 100 {
			l.Submit("r", time.Now(), g.job(0, LaneSilent))
		}
		synctest.Wait()
		if got := g.ended.Load(); got != silentStreak || g.back.Load() != 100-silentStreak {
			t.Errorf("%d asked, %d handed back", got, g.back.Load())
		}
		// After the pause one more is tried.
		time.Sleep(probeFirst)
		l.Submit("r", time.Now(), g.job(0, LaneGood))
		synctest.Wait()
		if s := state(l, "r"); s.State == "down" || g.ended.Load() != silentStreak+1 {
			t.Errorf("after a good probe: %+v", s)
		}
	})
}

func TestHoldIsWaitedOutIfShort(t *testing.T) {
	run(t, LaneOptions{}, func(l *Lanes) {
		var g gauge
		l.Hold("r", 5*time.Second)
		l.Submit("r", time.Now(), g.job(0, LaneGood))
		time.Sleep(5*time.Second - time.Nanosecond)
		synctest.Wait()
		if g.ended.Load() != 0 {
			t.Error("asked during a hold")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if g.ended.Load() != 1 {
			t.Error("not asked after the hold")
		}
		l.Hold("r", time.Hour)
		l.Submit("r", time.Now(), g.job(0, LaneGood))
		synctest.Wait()
		if g.back.Load() != 1 {
			t.Error("not handed back although the hold is long")
		}
	})
}

func TestUrgentJobsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(LaneOptions{Override: func(host string) LaneLimits { return LaneLimits{Max: 1} }})
		var mu sync.Mutex
		var order []int
		now := time.Now()
		for _, i := range []int{3, 1, 2, 1} {
			l.Submit("r", now.Add(time.Duration(i)*time.Hour), func(context.Context) Verdict {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				return LaneGood
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		synctest.Wait()
		cancel()
		<-done
		if !slices.Equal(order, []int{1, 1, 2, 3}) {
			t.Errorf("order: got %v", order)
		}
	})
}

func TestRateOfAHost(t *testing.T) {
	o := LaneOptions{Override: func(host string) LaneLimits {
		if host == "slow" {
			return LaneLimits{Rate: 10}
		}
		return LaneLimits{}
	}}
	run(t, o, func(l *Lanes) {
		var slow, fast gauge
		for range 100 {
			l.Submit("slow", time.Now(), slow.job(0, LaneGood))
			l.Submit("fast", time.Now(), fast.job(0, LaneGood))
		}
		time.Sleep(950 * time.Millisecond)
		synctest.Wait()
		if slow.ended.Load() != 10 || fast.ended.Load() != 100 {
			t.Errorf("in 950 ms: %d at 10 a second, %d without a rate", slow.ended.Load(), fast.ended.Load())
		}
	})
}

func TestRunEndsWhenTheJobsHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLanes(LaneOptions{Override: func(string) LaneLimits { return LaneLimits{Max: 1} }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := false
		l.Submit("r", time.Now(), func(ctx context.Context) Verdict {
			<-ctx.Done()
			time.Sleep(time.Second) // something to tidy up
			ended = true
			return LaneNeutral
		})
		l.Submit("r", time.Now().Add(time.Hour), func(context.Context) Verdict {
			t.Error("a job started after the end")
			return LaneNeutral
		})
		time.AfterFunc(time.Minute, cancel)
		if err := l.Run(ctx); err != nil || !ended {
			t.Errorf("Run: %v, job ended: %v", err, ended)
		}
		l.Submit("r", time.Now(), func(context.Context) Verdict { t.Error("started after the end"); return LaneGood })
		synctest.Wait()
	})
}

func TestIdleLanesAreForgotten(t *testing.T) {
	run(t, LaneOptions{}, func(l *Lanes) {
		var g gauge
		for i := range 3 * manyLanes {
			l.Submit(fmt.Sprint(i), time.Now(), g.job(time.Second, LaneGood))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := len(l.Snapshot()); got > manyLanes || g.ended.Load() != 3*manyLanes {
			t.Errorf("%d lanes are left after %d jobs", got, g.ended.Load())
		}
	})
}
