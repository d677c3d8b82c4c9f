package agent

import (
	"context"
	"time"

	"github.com/restaple/restaple/watcher"
)

// maxSleep bounds a wait of the loop. Timers stand still while a machine is
// suspended; staples go on ageing.
const maxSleep = 20 * time.Second

// loop observes, decides and hands out work until ctx is done or, once, until
// nothing is left to do. It never waits for the network, a disk or a hook.
func (a *Agent) loop(ctx context.Context, changes <-chan watcher.Change, once bool) error {
	a.lookEverywhere(ctx)
	defer a.expectMore(false)
	timer := time.NewTimer(maxSleep)
	defer timer.Stop()
	for {
		a.checkClock(ctx)
		wait := a.step(ctx, wall())
		if a.scanned && !a.scanning && a.lookings == 0 {
			a.o.Index.complete()
			a.sayKeyTypes(wall())
		}
		if !a.ready && a.settled() {
			a.ready = true
			a.ProveSoon()
			if a.o.Ready != nil {
				a.o.Ready()
			}
			if !once {
				a.o.Progress = nil // it was for the first pass
				a.sayFound()
			}
		}
		if once && a.settled() && !a.scanning && !a.rescan && a.finished(wall()) {
			return nil
		}
		a.memory.saveSoon(a.failures)
		a.expectMore(a.soon || a.scanning || a.rescan || a.lookings > 0)
		timer.Reset(min(wait, a.progress()))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case c := <-changes:
			a.onChange(ctx, c)
		case s := <-a.scans:
			a.onScan(ctx, s)
		case o := <-a.observed:
			a.onObserved(ctx, o)
		case r := <-a.answers:
			a.onAnswer(ctx, r)
		case p := <-a.placed:
			a.onPlaced(ctx, p)
		case <-a.wake:
			a.onLaneNews()
		case f := <-a.calls:
			f()
		}
		if a.rescan {
			a.lookEverywhere(ctx)
		}
	}
}

// step evaluates every subject whose time has come, and says how long nothing
// else will be due.
func (a *Agent) step(ctx context.Context, now time.Time) time.Duration {
	for {
		s, at, ok := a.due.First()
		switch {
		case !ok:
			return maxSleep
		case at.After(now):
			return min(maxSleep, at.Sub(now))
		}
		a.evaluate(ctx, s, now)
	}
}

// settled reports whether all that was found has been dealt with, as far as it
// could be.
func (a *Agent) settled() bool {
	return a.scanned && a.lookings == 0 && a.askings == 0 && a.placings == 0
}

// finished reports whether a single pass is over: everything is well, or there
// is no more time to wait for what is not.
func (a *Agent) finished(now time.Time) bool {
	if !now.Before(a.until) {
		return true
	}
	for _, t := range a.targets {
		if s := stateOf(t, now); s != notACandidate && !s.OK(mustStaple(t)) {
			return false
		}
	}
	return len(a.problems) == 0
}

func mustStaple(t *target) bool { return t.sub != nil && t.sub.chain.Leaf.MustStaple }

// expectMore has hooks wait while files are looked at, or are about to be since
// the kernel has dropped events: a burst of renewals is one burst to the
// server, with whatever gaps it is noticed.
func (a *Agent) expectMore(more bool) {
	switch {
	case more && a.awaited == nil:
		for _, q := range a.queues {
			a.awaited = append(a.awaited, q.Expect())
		}
	case !more:
		for _, done := range a.awaited {
			done()
		}
		a.awaited = nil
	}
}

// onChange looks again, where the watcher says something has happened.
func (a *Agent) onChange(ctx context.Context, c watcher.Change) {
	a.soon = c.Soon || a.soon && !c.All
	if c.All {
		a.lookEverywhere(ctx)
		return
	}
	var looks []look
	for _, path := range c.Paths {
		files := a.watch.Look(path)
		for _, f := range files {
			looks = a.want(looks, targetKey{f.Path, a.groupOf[f.Source]}, f.Stamp)
		}
		if len(files) == 0 {
			a.forgetPath(path)
		}
	}
	a.observe(ctx, looks)
}
