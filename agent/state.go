package agent

import (
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
)

// State is how a certificate stands, in one word. The words are public: they
// stand in logs, metric labels, JSON and the status table.
type State string

// Every state there is.
const (
	Fresh         State = "fresh"         // a valid staple is in place
	Late          State = "late"          // valid, but a newer one should have come by now
	Ending        State = "ending"        // valid, and about to end
	Pending       State = "pending"       // none yet, the first request is on its way
	Missing       State = "missing"       // none
	Expired       State = "expired"       // the one there is has ended
	Revoked       State = "revoked"       // the responder has revoked the leaf
	Unknown       State = "unknown"       // the responder does not know the leaf
	Refused       State = "refused"       // there is a staple, but not for this server
	NoResponder   State = "no-responder"  // the leaf names none: nothing to do
	NoIssuer      State = "no-issuer"     // no issuer found, so nothing can be asked or verified
	LeafExpired   State = "leaf-expired"  // the leaf has ended: nothing to do
	LeafNotYet    State = "leaf-not-yet"  // the leaf is not valid yet
	Unreadable    State = "unreadable"    // the certificate cannot be read
	NotWritable   State = "not-writable"  // the staple file cannot be written
	PathConflict  State = "path-conflict" // two certificates want the same staple file or snippet, or something else is there
	notACandidate State = ""              // no leaf in the file
)

// States returns every state, for metrics and tests.
func States() []State {
	return []State{Fresh, Late, Ending, Pending, Missing, Expired, Revoked, Unknown, Refused, NoResponder,
		NoIssuer, LeafExpired, LeafNotYet, Unreadable, NotWritable, PathConflict}
}

// OK reports whether all is well with a certificate in state s. A must-staple
// leaf without a responder can never have the staple it promises.
func (s State) OK(mustStaple bool) bool {
	switch s {
	case Fresh, Late, LeafExpired, LeafNotYet:
		return true
	case Ending:
		return true // still valid; the metric and the log alarm
	case NoResponder:
		return !mustStaple
	}
	return false
}

// stateOf says how t stands at now. It decides from what was observed and
// does nothing.
func stateOf(t *target, now time.Time) State {
	switch t.trouble {
	case notChain:
		return notACandidate
	case unreadable:
		return Unreadable
	case conflict:
		return PathConflict
	}
	s := t.sub
	leaf := s.chain.Leaf
	switch {
	case !now.Before(leaf.NotAfter):
		return LeafExpired
	case now.Before(leaf.NotBefore):
		return LeafNotYet
	case s.chain.Issuer == nil && len(s.urls) > 0:
		if s.askedAt.IsZero() && len(issuerURLs(leaf)) > 0 {
			return Pending // it can be fetched
		}
		return NoIssuer
	case s.message == staple.Revoked && !t.supersedes():
		return Revoked
	case t.disk.current(now):
		switch {
		case !now.Before(alarmAt(t)):
			return Ending
		case !now.Before(schedule.UrgentAt(t.disk.this, t.disk.ends)):
			return Late
		}
		return Fresh
	case t.disk.kind == valid && t.disk.status == staple.Revoked:
		return Revoked
	case s.message == staple.Unknown:
		return Unknown
	case t.refusal != "":
		return Refused
	case t.failed != "":
		return NotWritable
	case len(s.urls) == 0:
		return NoResponder
	case t.disk.kind == valid || t.disk.kind == invalid && t.disk.reason == staple.Expired:
		return Expired
	case s.askedAt.IsZero():
		return Pending
	}
	return Missing
}

// withdrawal says whether what the staple file holds has to go at now, and
// why. Whether and how that is done is for the server's profile.
func withdrawal(t *target, p Policy, now time.Time) (profile.Cause, bool) {
	d, s := &t.disk, t.sub
	if t.unfit != nil {
		return profile.Stranded, d.kind != missing
	}
	switch d.kind {
	case missing:
		if (d.snippet != watcher.Stamp{}) {
			return profile.Damaged, true // it names a file that is not there
		}
		return profile.Absent, true
	case empty:
		return profile.Damaged, true
	case invalid:
		switch d.reason {
		case staple.Expired:
			return profile.Ending, true
		case staple.NoMatch, staple.WrongIssuer:
			return profile.Renewed, true
		}
		return profile.Damaged, true
	case valid:
		switch {
		case d.status == staple.Revoked && p.OnRevoked != Publish,
			d.status == staple.Unknown && p.OnUnknown != Publish,
			d.status == staple.Good && s.message == staple.Revoked && p.OnRevoked == Withdraw && !t.supersedes():
			return profile.Revoked, true
		}
		return profile.Ending, !now.Before(endsAt(t))
	case unverified:
		return profile.Ending, !d.ends.IsZero() && !now.Before(endsAt(t))
	}
	return "", false
}

// supersedes reports whether the file says something later than the statement
// that made the subject revoked: another process may have heard that a hold
// was lifted.
func (t *target) supersedes() bool {
	return t.disk.kind == valid && t.disk.this.After(t.sub.stated)
}

// endsAt is when a staple of t is taken out. Clients' clocks differ, so it is
// some time before the end; but a must-staple leaf is as dead without a staple
// as with an expired one, so there it is only as long before as servers need to
// take note.
func endsAt(t *target) time.Time { return endOf(t, t.disk.this, t.disk.ends) }

// endOf is endsAt for a staple that t may have.
func endOf(t *target, this, ends time.Time) time.Time {
	if t.sub.chain.Leaf.MustStaple {
		return schedule.LastMomentAt(this, ends)
	}
	return schedule.WithdrawAt(this, ends)
}

// alarmAt is when a person has to look after t. A must-staple leaf is cut off
// when its staple ends, so there it is earlier.
func alarmAt(t *target) time.Time {
	if t.sub.chain.Leaf.MustStaple {
		return schedule.UrgentAt(t.disk.this, t.disk.ends)
	}
	return schedule.AlarmAt(t.disk.this, t.disk.ends)
}
