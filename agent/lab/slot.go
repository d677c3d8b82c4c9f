package lab

import (
	"crypto"
	"time"
)

// slotKey is what a response is kept under.
type slotKey struct {
	hash   crypto.Hash
	serial string
}

// verdict is what is to be said of a certificate. As long as it stays the
// same, so does the response, until it is time for a newer one.
type verdict struct {
	status    Status
	revokedAt time.Time // UTC and whole seconds, so that == compares it
	reason    int
	fault     Fault
	epoch     int
}

// slot is a verdict with the times it is given, and the signed response once
// there is one.
type slot struct {
	verdict
	thisUpdate time.Time
	renewAt    time.Time
	reply      *reply
}

// maxSlots bounds the memory a responder takes, at about half a gigabyte.
const maxSlots = 1 << 20

// slotFor decides what to say of one certificate at a time. What it says
// later is never older: after a change within the same second, thisUpdate
// runs ahead of the clock, or clients would keep what they have.
func (r *Responder) slotFor(id certID, now time.Time) (slotKey, slot) {
	key := slotKey{id.hash, SerialText(id.serial)}
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.verdictOf(key.serial)
	old, kept := r.slots[key]
	thisUpdate := now.UTC().Add(-r.o.Backdate).Truncate(time.Second)
	if kept && !thisUpdate.After(old.thisUpdate) {
		if old.verdict == v {
			return key, old
		}
		thisUpdate = old.thisUpdate.Add(time.Second)
	}
	if kept && old.verdict == v && now.Before(old.renewAt) {
		return key, old
	}
	if len(r.slots) >= maxSlots {
		clear(r.slots)
	}
	s := slot{verdict: v, thisUpdate: thisUpdate, renewAt: now.Add(r.o.Step)}
	r.slots[key] = s
	return key, s
}

// keep stores a signed response, and returns the one to give out: whoever
// signed first has given it out already.
func (r *Responder) keep(key slotKey, s slot, signed reply) reply {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.slots[key]
	if now.verdict != s.verdict || !now.thisUpdate.Equal(s.thisUpdate) {
		return signed
	}
	if now.reply == nil {
		now.reply = &signed
		r.slots[key] = now
	}
	return *now.reply
}

func (r *Responder) verdictOf(serial string) verdict {
	c := r.state.Records[serial]
	v := verdict{status: c.Status, reason: NoReason, fault: c.Fault, epoch: r.state.Epoch}
	if v.status == "" {
		v.status = r.state.Default
	}
	if v.status == "" {
		v.status = Good
	}
	if v.status == Revoked {
		v.revokedAt = c.RevokedAt.UTC().Truncate(time.Second)
		v.reason, _ = reasonCode(c.Reason) // checked when it was set
	}
	if v.fault == "" {
		v.fault = r.state.Fault
	}
	return v
}
