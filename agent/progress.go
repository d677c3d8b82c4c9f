package agent

import (
	"cmp"
	"time"
)

// progressEvery is how often progress is told unless Options say otherwise:
// counting takes a while with many certificates.
const progressEvery = 200 * time.Millisecond

// progress tells how far a pass has come, if it is time to, and returns when
// that will be the next time.
func (a *Agent) progress() time.Duration {
	if a.o.Progress == nil {
		return maxSleep
	}
	every := cmp.Or(a.o.ProgressEvery, progressEvery)
	if spent := time.Since(a.drawn); spent < every {
		return every - spent
	}
	a.drawn = time.Now() // with its monotonic reading: the clock may be set
	now := wall()
	var p Progress
	for _, t := range a.targets {
		switch s := stateOf(t, now); {
		case s == notACandidate:
			continue
		case s.OK(mustStaple(t)):
			p.Done++
		case t.sub != nil && t.sub.attempts > 0, t.trouble != none:
			p.Failed++
		}
		p.Found++
	}
	a.o.Progress(p)
	return every
}
