package answer

import (
	"bytes"
	"context"
	"time"

	"github.com/restaple/restaple/agent/responder"
)

// pass hands a request on to the responder of its issuer and keeps nothing of
// the answer: with a nonce or several certificates it is an answer to this one
// request. It verifies for the first certificate, whose signature is that of
// all of it.
func (k *keeper) pass(ctx context.Context, q *request, s *source, remote string, now time.Time) (*page, status) {
	der, err := q.encode()
	if err != nil {
		return nil, internalError
	}
	if k.ended() {
		return nil, ended
	}
	if !k.takeOff(remote, now) {
		k.counters.limited.Add(1)
		return nil, tryLater
	}
	k.counters.passed.Add(1)
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	r := k.passTo(ctx, 0, q, s, der)
	for i := 1; i < len(s.responders) && r.err != nil && ctx.Err() == nil && !k.ended(); i++ {
		k.fill(1)
		r = k.passTo(ctx, i, q, s, der)
	}
	switch {
	case r.err == nil:
		return r.page, 0
	case k.ended():
		return nil, ended
	}
	return nil, statusOf(r.err)
}

// passTo hands a request, which has been counted, on to one responder of an issuer.
// It counts for as long as it is in the responder's lane, also if nobody waits for
// it any more: that may be minutes, and clients may go on asking.
func (k *keeper) passTo(ctx context.Context, i int, q *request, s *source, der []byte) result {
	url, configured, _ := k.direct(s, i)
	host := responder.Host(url)
	done := make(chan result, 1)
	k.lanes.Submit(host, wall().Add(newcomer), func(jobCtx context.Context) responder.Verdict {
		defer k.fill(-1)
		if ctx.Err() != nil {
			return responder.LaneNeutral // nobody waits any more
		}
		k.spend(jobCtx)
		r := k.forward(jobCtx, q, s, responder.Query{URL: url, Configured: configured}, der)
		if r.hold > 0 {
			k.lanes.Hold(host, r.hold)
		}
		if r.err == nil || jobCtx.Err() == nil {
			done <- r
		}
		return r.load
	})
	select {
	case r := <-done:
		return r
	case <-k.done:
		return result{err: errNobody}
	case <-ctx.Done():
		return result{err: errNobody}
	}
}

// takeOff counts one more request, if it may be made.
func (k *keeper) takeOff(remote string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.admits(remote, now) {
		return false
	}
	k.flights++
	return true
}

// fill counts n more requests that wait or are on their way.
func (k *keeper) fill(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flights += n
}

func (k *keeper) forward(ctx context.Context, q *request, s *source, query responder.Query, der []byte) result {
	got, err := k.client.Forward(ctx, query, der)
	if err != nil {
		return failed(err)
	}
	r := judged(got.DER, s.chainOf(q.ids[0].serial), k.verifiers[s.strict])
	if r.err != nil {
		return r
	}
	if nonce := r.page.Nonce(); nonce != nil && q.nonce != nil && !bytes.Equal(nonce, q.nonce) {
		return result{err: errOtherRequest, load: r.load}
	}
	r.page.passing = true
	return r
}

// oneIssuer reports whether all certificates of a request are of one issuer,
// named in one way.
func (q *request) oneIssuer() bool {
	first := &q.ids[0]
	for i := range q.ids {
		id := &q.ids[i]
		if !bytes.Equal(id.nameHash, first.nameHash) || !bytes.Equal(id.keyHash, first.keyHash) {
			return false
		}
	}
	return true
}
