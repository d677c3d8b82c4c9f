package answer

import (
	"context"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/responder"
)

// flight is a question on its way to the responders of one certificate. All who
// ask meanwhile wait for it.
type flight struct {
	entry  *entry
	since  time.Time     // thisUpdate of what is kept; zero: nothing
	tried  int           // responders before this one
	done   chan struct{} // closed when there is a result
	page   *page
	status status
}

// negativeTime is for how long nobody is asked again about what he did not
// know, or did not answer to.
const negativeTime = time.Minute

// newcomer is how urgent it is to ask about what clients want and is not there:
// as if it ended then. Staples that end before go first, also if there is a
// flood of clients.
const newcomer = time.Hour

// fly asks about e, unless that is under way, was done just now, or is too
// much. Without a flight to wait for it returns the answer. Admitted says that
// the client has been counted already.
func (k *keeper) fly(e *entry, admitted bool, remote string, now time.Time) (*flight, *page, status) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case e.flight != nil:
		return e.flight, nil, 0
	case e.paused(now) && e.spare != nil && usable(e.spare.Staple, e.chain.Leaf, now):
		return nil, e.spare, 0
	case e.paused(now):
		return nil, nil, e.status
	case e.landedSince(now):
		return nil, nil, landed
	case k.ended():
		return nil, nil, ended
	case !admitted && !k.admits(remote, now):
		k.counters.limited.Add(1)
		return nil, nil, tryLater
	}
	return k.launch(e), nil, 0
}

// paused reports whether nobody is asked about e yet. A pause that is longer than
// any can be was begun before the clock was set back.
func (e *entry) paused(now time.Time) bool {
	left := e.pause.Sub(now)
	return left > 0 && left <= negativeTime
}

// landedSince reports whether an answer has come since a client looked for one.
// One that came much later is of a time before the clock was set back.
func (e *entry) landedSince(looked time.Time) bool {
	ago := e.fetched.Sub(looked)
	return !e.this.IsZero() && e.attempts == 0 && ago > 0 && ago <= waitTime
}

// launch asks about e. The caller has the lock.
func (k *keeper) launch(e *entry) *flight {
	f := &flight{entry: e, since: e.this, done: make(chan struct{})}
	e.flight = f
	k.flights++
	ends := e.ends
	if ends.IsZero() {
		ends = wall().Add(newcomer)
	}
	k.submit(f, question{chain: e.chain, source: e.source, hash: e.key.hash, held: e.held}, ends)
	return f
}

// submit has the next responder asked when its lane has room.
func (k *keeper) submit(f *flight, q question, ends time.Time) {
	q.url, q.configured, q.nonce = k.direct(q.source, f.tried)
	host := responder.Host(q.url)
	k.lanes.Submit(host, ends, func(ctx context.Context) responder.Verdict {
		kept := k.look(f.entry, wall())
		if kept != nil && kept.ThisUpdate.After(f.since) {
			// Another process with the same directory was here.
			k.land(f, result{page: kept, known: true})
			return responder.LaneNeutral
		}
		if kept == nil {
			q.held = responder.Validators{} // it has been purged
		}
		k.spend(ctx)
		r := q.ask(ctx, k.client, k.verifiers[q.source.strict])
		if r.same {
			if r.page = k.look(f.entry, wall()); r.page == nil { // purged meanwhile
				q.held = responder.Validators{}
				k.spend(ctx)
				r = q.ask(ctx, k.client, k.verifiers[q.source.strict])
			}
		}
		if r.hold > 0 {
			k.lanes.Hold(host, r.hold)
		}
		if r.err != nil && ctx.Err() != nil {
			return responder.LaneNeutral // the lanes end, and so does k
		}
		if r.err != nil && f.tried+1 < len(q.source.responders) {
			f.tried++
			k.submit(f, q, ends)
			return r.load
		}
		k.land(f, r)
		return r.load
	})
}

// spend counts a request that is about to be made. None is for a job that its lane
// hands back.
func (k *keeper) spend(job context.Context) {
	if responder.HandedBack(job) == nil {
		k.counters.upstream.Add(1)
	}
}

// direct says who is asked, and whether with a nonce.
func (k *keeper) direct(s *source, i int) (url string, configured, nonce bool) {
	url, configured = s.responders[i], s.configured
	var how agent.Asking
	if k.asking != nil {
		how = k.asking(responder.Host(url))
	}
	if how.URL != "" {
		return how.URL, true, how.Nonce
	}
	return url, configured, how.Nonce
}
