package answer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxRequest is how many octets a request may have. Those about one
// certificate have some 80, or 110 with SHA-256.
const maxRequest = 8 << 10

// ServeHTTP answers one request, by GET or by POST (RFC 6960 appendix A, RFC
// 9919 section 6). The URL's host and the Host header mean nothing, so that
// servers may use the Answerer as their proxy; neither does the path, but for
// the request in it.
func (a *Answerer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Round(0)
	if !a.clients.allow(r.RemoteAddr, now) {
		a.counters.limited.Add(1)
		w.Header().Set("Retry-After", "1")
		tryLater.send(w, http.StatusTooManyRequests)
		return
	}
	q, code := read(w, r)
	if q == nil {
		a.counters.malformed.Add(1)
		malformedRequest.send(w, code)
		return
	}
	p, s := a.answer(r.Context(), q, r.RemoteAddr, now)
	if p == nil && s == ended {
		p, s = a.handOn(r.Context(), q, r.RemoteAddr)
	}
	if p == nil {
		s.send(w, http.StatusOK)
		return
	}
	if p.send(w, r, now) {
		a.counters.unchanged.Add(1)
	}
}

// read takes the request out of what HTTP carries it in. Without one it returns
// the HTTP status of the answer: what is no OCSP request is told so with 200,
// for clients read the OCSP status only then.
func read(w http.ResponseWriter, r *http.Request) (*request, int) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if q, err := requestInPath(r.URL.EscapedPath()); err == nil {
			return q, 0
		}
		return nil, http.StatusOK
	case http.MethodPost:
		return readBody(w, r)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return nil, http.StatusMethodNotAllowed
}

func readBody(w http.ResponseWriter, r *http.Request) (*request, int) {
	if r.ContentLength > maxRequest {
		return nil, http.StatusRequestEntityTooLarge // without a "100 Continue"
	}
	body := http.MaxBytesReader(w, r.Body, maxRequest)
	var der []byte
	var err error
	if r.ContentLength > 0 {
		der = make([]byte, r.ContentLength)
		_, err = io.ReadFull(body, der)
	} else {
		der, err = io.ReadAll(body)
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return nil, http.StatusOK
	}
	q, err := parseRequest(der)
	if err != nil {
		return nil, http.StatusOK
	}
	return q, 0
}

// handOn finds the answer to a request that came too late for a.
func (a *Answerer) handOn(ctx context.Context, q *request, remote string) (*page, status) {
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	for a = a.next.Load(); a != nil; a = a.next.Load() {
		select {
		case <-a.o.Certificates.Known():
		case <-a.keeper.done:
			continue // the next one has its place already
		case <-ctx.Done():
			return nil, tryLater
		}
		if p, s := a.answer(ctx, q, remote, wall()); p != nil || s != ended {
			return p, s
		}
	}
	return nil, tryLater
}

// answer finds the answer to a request, or the status that says why there is
// none.
func (a *Answerer) answer(ctx context.Context, q *request, remote string, now time.Time) (*page, status) {
	id := &q.ids[0]
	m := a.o.Certificates.Find(id.hash, id.nameHash, id.keyHash, id.serial)
	special := q.nonce != nil || len(q.ids) > 1
	var src *source
	if m == nil || special {
		src = a.source(id.hash, id.nameHash, id.keyHash)
	}
	switch {
	case m == nil && src == nil && !a.isKnown():
		a.counters.misses.Add(1)
		return nil, tryLater
	case m == nil && src == nil, len(q.ids) > 1 && (src == nil || !q.oneIssuer()):
		a.counters.foreign.Add(1)
		return nil, unauthorized
	}
	if src != nil && special {
		// Without an answer of its own a request with a nonce gets what
		// there is: whoever insists sees that the nonce is missing.
		p, s := a.keeper.pass(ctx, q, src, remote, now)
		switch {
		case p != nil && m != nil && !shown(p.Status, m.Policy):
			return nil, tryLater
		case p != nil, len(q.ids) > 1, s == ended:
			return p, s
		}
	}
	w := wanted{source: src, remote: remote}
	if m != nil {
		p, other := a.managed(m, id.hash, now)
		switch {
		case p != nil:
			a.counters.hits.Add(1)
			return p, 0
		case len(m.Responders) == 0, !now.Before(m.Chain.Leaf.NotAfter):
			// Nobody is asked about it (RFC 9919 section 4.2), now or later.
			a.counters.misses.Add(1)
			return nil, unauthorized
		case !other:
			a.counters.misses.Add(1)
			return nil, tryLater
		}
		w.source, w.chain = sourceOf(m), m.Chain
	}
	w.key = keptKey{keyOf(w.source.issuer), id.serial, id.hash}
	p, s := a.keeper.get(ctx, w, now)
	if p != nil && m != nil && !shown(p.Status, m.Policy) {
		return nil, tryLater
	}
	return p, s
}
