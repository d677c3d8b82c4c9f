package answer

import (
	"context"
	"crypto"
	"errors"
	"time"

	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// question is one request to one responder, with all it needs.
type question struct {
	chain      *chain.Chain
	source     *source
	hash       crypto.Hash
	url        string
	configured bool
	nonce      bool
	held       responder.Validators
}

// result is what came of a question: a page, or nothing newer, or an error.
type result struct {
	page  *page // verified; may say revoked or unknown
	known bool  // it was on disk already
	same  bool  // the responder has nothing newer than what Validators belong to
	held  responder.Validators
	err   error

	load responder.Verdict // what the exchange says of the responder's load
	hold time.Duration     // how long the responder wants to be left alone
}

// ask asks, and once more past all caches if the answer has ended (RFC 9919
// section 7.2).
func (q *question) ask(ctx context.Context, client *responder.Client, v *staple.Verifier) result {
	query := responder.Query{
		URL: q.url, Configured: q.configured, Chain: q.chain,
		Hash: q.hash, Nonce: q.nonce, Validators: q.held,
	}
	r := q.once(ctx, client, v, query)
	if e, ok := errors.AsType[*staple.Error](r.err); ok && e.Reason == staple.Expired {
		query.NoCache, query.Validators = true, responder.Validators{}
		r = q.once(ctx, client, v, query)
	}
	return r
}

func (q *question) once(ctx context.Context, client *responder.Client, v *staple.Verifier, query responder.Query) result {
	got, err := client.Ask(ctx, query)
	switch {
	case err != nil:
		return failed(err)
	case got.NotModified:
		return result{same: true, held: query.Validators, load: responder.LaneGood}
	case got.Nonce == responder.NonceDiffers:
		return result{err: errOtherRequest, load: responder.LaneGood}
	}
	r := judged(got.DER, q.chain, v)
	r.held = got.Validators
	if r.err == nil && r.page.Hash != q.hash {
		// Clients look for the CertID that they have asked about.
		return result{err: errOtherHash, load: r.load}
	}
	return r
}

var (
	errOtherRequest = errors.New("the nonce is another one: an answer to another request")
	errNobody       = errors.New("no responder has answered in time")
	errOtherHash    = errors.New("the answer names the certificate by another hash than it was asked about")
)

// failed is the result of an exchange that brought no answer.
func failed(err error) result {
	r := result{err: err}
	if e, ok := errors.AsType[*responder.Error](err); ok {
		r.load = e.Verdict()
		if e.Kind == responder.KindHTTP {
			r.hold = e.RetryAfter
		}
	}
	return r
}

// judged verifies an answer.
func judged(der []byte, c *chain.Chain, v *staple.Verifier) result {
	st, err := verify(der, c, v, wall())
	if err == nil {
		return result{page: newPage(st), load: responder.LaneGood}
	}
	r := result{err: err, load: responder.LaneGood}
	if e, ok := errors.AsType[*staple.Error](err); ok && (e.ResponderStatus == "tryLater" || e.ResponderStatus == "internalError") {
		r.load = responder.LaneOverloaded
	}
	return r
}

// statusOf is what a client is told of an error.
func statusOf(err error) status {
	if e, ok := errors.AsType[*staple.Error](err); ok {
		switch e.ResponderStatus {
		case "unauthorized", "sigRequired", "malformedRequest":
			// None of it is the client's doing: its request was
			// well-formed. The responder just has no answer to it.
			return unauthorized
		}
	}
	return tryLater
}

// wall is the wall clock without its monotonic reading, which stands still
// while a machine is suspended.
func wall() time.Time { return time.Now().Round(0) }
