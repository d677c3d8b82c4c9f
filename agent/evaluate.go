package agent

import (
	"context"
	"slices"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
)

// healPause is how soon after an answer the responder is asked again because
// the staple file is gone or damaged: somebody else may be damaging it in a
// loop.
const healPause = 2 * time.Second

// evaluate decides what has to happen for s now, hands it out, and puts s into
// the queue for when to decide again. It may be called at any time.
func (a *Agent) evaluate(ctx context.Context, s *subject, now time.Time) {
	next := time.Time{}
	earlier := func(at time.Time) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	var looks []look
	for _, t := range s.targets {
		if t.disk.kind == unverified && s.chain.Issuer != nil {
			looks = a.want(looks, t.key, watcher.Stamp{}) // another file has brought the issuer
		}
		if cause, due := withdrawal(t, a.policy(t), now); due {
			a.withdraw(t, cause, now)
		} else if t.snippet != "" && t.disk.kind == valid && !t.disk.mended && !t.placing && !t.looking && !now.Before(t.writeAt) {
			a.place(t, placement{mend: true})
		}
		a.touch(t, now)
		a.rewrite(t, now) // after a withdrawal, for which a full disk has room
		a.say(t, now)
		earlier(t.writeAt)
		earlier(a.touches[t])
		if t.disk.kind == valid {
			earlier(schedule.UrgentAt(t.disk.this, t.disk.ends))
			earlier(alarmAt(t))
			earlier(endsAt(t))
			earlier(t.disk.ends)
		}
		if t.disk.kind == unverified && !t.disk.ends.IsZero() {
			earlier(endsAt(t))
		}
	}
	earlier(s.chain.Leaf.NotBefore)
	earlier(s.chain.Leaf.NotAfter)
	a.observe(ctx, looks)
	if at := a.askAt(s, now); !at.IsZero() && !s.asking && !s.changing() {
		switch {
		case at.After(now):
			earlier(at)
		case a.o.LookOnly: // it is due, and nobody is to be asked
		case a.wantsIssuer(s):
			a.fetchIssuer(ctx, s, now)
		default:
			a.ask(s, now)
		}
	}
	s.At = next
	a.due.Set(s)
}

// changing reports whether an answer is on its way to a file: until it is there
// the file says nothing of when to ask again.
func (s *subject) changing() bool {
	return slices.ContainsFunc(s.targets, func(t *target) bool { return t.placing || t.next != nil })
}

func (a *Agent) policy(t *target) Policy { return a.o.Groups[t.key.group].Policy }

// askAt says when the responder is to be asked about s; zero: not at all.
func (a *Agent) askAt(s *subject, now time.Time) time.Time {
	leaf := s.chain.Leaf
	if len(s.urls) == 0 || s.chain.Issuer == nil && !a.wantsIssuer(s) {
		return time.Time{}
	}
	if !now.Before(leaf.NotAfter) {
		return time.Time{} // RFC 9919 section 4.2: no request for an expired certificate
	}
	if (s.force || s.revived || s.round > 0) && !now.Before(leaf.NotBefore) {
		return s.askedAt.Add(time.Nanosecond) // now; never the zero time
	}
	worst, need := worstDisk(s, now)
	if worst.kind == missing && s.message != "" {
		worst.this, worst.ends = s.stated, s.statedTo // the window this responder works with
	}
	key := schedule.Key(leaf.Fingerprint, a.host)
	var at time.Time
	switch {
	case s.attempts > 0:
		in := retryIn(s, worst, key)
		if !a.until.IsZero() {
			in = min(in, waitingRetry(s.attempts)) // somebody is waiting
		}
		at = s.askedAt.Add(in)
	case s.message == staple.Revoked:
		at = s.askedAt.Add(schedule.NotNewerIn(worst.this, worst.ends, s.askedAt))
	case need:
		if at = leaf.NotBefore; !s.askedAt.IsZero() {
			at = s.askedAt.Add(healPause)
		}
	default:
		at = refreshAt(worst, key, a.o.Schedule)
		if s.quiet || at.Before(s.askedAt) { // what came was as old as that
			in := schedule.NotNewerIn(worst.this, worst.ends, s.askedAt)
			in = schedule.SoonerIn(in, worst.this, worst.ends, s.fresh, s.askedAt, key)
			if again := s.askedAt.Add(in); again.After(at) {
				at = again
			}
		}
	}
	if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	if !at.Before(leaf.NotAfter) {
		return time.Time{} // it will have expired by then
	}
	return at
}

// worstDisk returns the staple of s that ends first, and whether any target
// lacks one that another request could bring. One that is still to be written
// counts as if it were.
func worstDisk(s *subject, now time.Time) (worst disk, need bool) {
	for _, t := range s.targets {
		d := t.disk
		if t.unwritten != nil {
			d = holding(t.unwritten, d.stamp)
		}
		if !d.current(now) && t.refusal == "" {
			need = true
		}
		if d.kind == valid && (worst.ends.IsZero() || d.ends.Before(worst.ends)) {
			worst = d
		}
	}
	return worst, need
}

// retryIn is the pause after failed round number s.attempts.
func retryIn(s *subject, worst disk, key uint64) time.Duration {
	in := schedule.RetryIn(s.attempts, worst.this, worst.ends, s.askedAt, key)
	if s.askedAt.Before(s.expectUntil) {
		in = min(in, time.Minute)
	}
	if s.failure != nil && s.failure.retryAfter > in {
		// The responder's wish counts, but not for longer than is good for
		// the staple there is.
		most := time.Hour
		if left := worst.ends.Sub(s.askedAt); left > 0 {
			most = left / 4
		}
		in = max(in, min(s.failure.retryAfter, most))
	}
	return in
}

// waitingRetry is the pause while RunOnce waits for everything to be well: a
// server's start may hang on it.
func waitingRetry(attempts int) time.Duration {
	return min(30*time.Second, time.Second<<min(attempts-1, 5))
}

// refreshAt is when a good staple is renewed: about half-way to its end, soon
// after the next time the schedule allows, but not after three quarters.
func refreshAt(d disk, key uint64, gate *schedule.Cron) time.Time {
	at := schedule.RefreshAt(d.this, d.ends, key)
	if d.next.IsZero() {
		at = d.this.Add(schedule.NoNextUpdateRefresh)
	}
	urgent := schedule.UrgentAt(d.this, d.ends)
	if gate == nil || !at.Before(urgent) {
		return at
	}
	return gate.Turn(at, urgent, key)
}

// withdraw takes the staple of t out in the way of its server's profile.
func (a *Agent) withdraw(t *target, cause profile.Cause, now time.Time) {
	if t.placing || t.looking || now.Before(t.writeAt) {
		return
	}
	way := a.o.Groups[t.key.group].Profile.Withdraw[cause]
	switch {
	case way == "" || way == profile.Leave,
		// An empty file keeps a place for a staple, and this leaf can have none.
		way == profile.Empty && cause == profile.Absent && len(t.sub.urls) == 0,
		way == profile.Remove && t.disk.kind == missing && t.disk.snippet == watcher.Stamp{},
		way == profile.Empty && t.disk.kind == empty,
		way == profile.Placeholder && t.disk.kind == placeholder:
		return
	}
	a.place(t, placement{way: way, cause: cause})
}
