package agent

import (
	"slices"
	"time"

	"github.com/restaple/restaple/agent/responder"
)

// onRevived notes that a responder which was down answers again. The lanes
// call it; it must not block.
func (a *Agent) onRevived(host string) {
	a.mu.Lock()
	a.revived = append(a.revived, host)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// revive has everything asked that was waiting for a responder to come back.
func (a *Agent) revive() {
	a.mu.Lock()
	hosts := a.revived
	a.revived = nil
	a.mu.Unlock()
	now := wall()
	for _, s := range a.subjects {
		if s.attempts == 0 || s.asking {
			continue
		}
		if slices.ContainsFunc(s.urls, func(u string) bool { return slices.Contains(hosts, responder.Host(u)) }) {
			s.revived = true
			s.at = now
			a.due.set(s)
		}
	}
}

// farOff is how far a responder's clock may be from ours without a word: about
// as much as the verification tolerates.
const farOff = 5 * time.Minute

// sayClock warns once when the clocks of a responder and of this machine
// differ: whichever is wrong, staples will seem to end early or late.
func (a *Agent) sayClock(r answer) {
	if r.err != nil && r.skew == 0 {
		return
	}
	off := r.skew.Abs() > farOff
	if off == a.slow[r.url] {
		return
	}
	if off {
		a.slow[r.url] = true
		a.log.Warn("clock differs from the responder's: check both", "responder", r.url, "ahead", r.skew.Round(time.Second))
	} else {
		delete(a.slow, r.url)
		a.log.Info("clock agrees with the responder's again", "responder", r.url)
	}
}
