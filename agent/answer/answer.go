package answer

import (
	"crypto"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/staple"
)

// Certificates finds what is looked after by the parts of a CertID. An
// *agent.Index is the one that is used.
type Certificates interface {
	Find(hash crypto.Hash, nameHash, keyHash []byte, serial string) *agent.Managed
	Sibling(hash crypto.Hash, nameHash, keyHash []byte) *agent.Managed
}

// Options says what is answered, and how. Certificates and Log are required.
type Options struct {
	Certificates Certificates

	// Rate is how many requests a second a client may make; 0: as many as
	// it likes.
	Rate float64

	Log *slog.Logger
}

// Answerer answers OCSP requests. It is an http.Handler, and safe for concurrent
// use.
type Answerer struct {
	o         Options
	log       *slog.Logger
	shelf     *shelf
	verifiers map[bool]*staple.Verifier // by strict
	clients   *limits
	ready     atomic.Bool
	counters  counters
}

// New makes an Answerer and starts nothing.
func New(o Options) *Answerer {
	return &Answerer{
		o:     o,
		log:   o.Log,
		shelf: newShelf(shelfSize),
		verifiers: map[bool]*staple.Verifier{
			false: staple.NewVerifier(staple.Options{}),
			true:  staple.NewVerifier(staple.Options{Strict: true}),
		},
		clients: newLimits(o.Rate, burstOf(o.Rate)),
	}
}

// burstOf is how many requests may come at once: what a server with many
// certificates does when it starts.
func burstOf(rate float64) int { return max(10, int(rate*10)) }

// Ready says that all certificates that are looked after are known now. Before,
// nobody is told that a certificate is not among them.
func (a *Answerer) Ready() { a.ready.Store(true) }

// managed returns the newest staple that may be given out for a managed leaf.
// A response to a request must have the CertID that was asked about (RFC 6960
// section 4.2.1), so one with the other hash does not do; whether there is one
// is returned, too.
func (a *Answerer) managed(m *agent.Managed, hash crypto.Hash, now time.Time) (best *page, other bool) {
	for _, path := range m.Staples {
		p := a.shelf.read(path, m.Chain, a.verifiers[m.Strict], now)
		switch {
		case p == nil, !usable(p.Staple, now), !shown(p.Status, m.Policy):
		case p.Hash != hash:
			other = true
		case best == nil, p.NewerThan(best.Staple):
			best = p
		}
	}
	return best, other
}

// shown reports whether a policy lets a status be stapled.
func shown(s staple.Status, p agent.Policy) bool {
	switch s {
	case staple.Revoked:
		return p.OnRevoked == agent.Publish
	case staple.Unknown:
		return p.OnUnknown == agent.Publish
	}
	return true
}
