package answer

import (
	"context"
	"crypto"
	"crypto/sha1"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
)

// Certificates finds what is looked after by the parts of a CertID. An
// *agent.Index is the one that is used.
type Certificates interface {
	Find(hash crypto.Hash, nameHash, keyHash []byte, serial string) *agent.Managed
	Sibling(hash crypto.Hash, nameHash, keyHash []byte) *agent.Managed

	// Known is closed when all is found that is looked after. Before, nobody
	// is told that a certificate is not among it.
	Known() <-chan struct{}
}

// Options says what is answered, and how. Certificates, Client, Lanes and
// Log are required.
type Options struct {
	Certificates Certificates

	// ForIssuers answers for all that the issuers of Certificates, and
	// Issuers, have issued.
	ForIssuers bool
	Issuers    []Issuer

	// How responders are asked about what is not there: as an agent asks, and
	// in its lanes. They are run by whoever has made them.
	Client *responder.Client
	Lanes  *responder.Lanes
	Asking func(host string) agent.Asking // may be nil

	Schedule *schedule.Cron // when ordinary refreshes of what is kept may happen; nil: at any time

	StateDir string // for what is kept; "": it is kept in memory, as far as there is room

	// Rate is how many requests a second a client may make; 0: as many as
	// it likes.
	Rate float64

	Log *slog.Logger
}

// Answerer answers OCSP requests. It is an http.Handler, and safe for concurrent
// use.
type Answerer struct {
	o         Options
	shelf     *shelf
	verifiers map[bool]*staple.Verifier // by strict
	named     map[string]*source
	keeper    *keeper
	clients   *limits
	since     time.Time
	counters  *counters
	next      atomic.Pointer[Answerer]
}

// New makes an Answerer and starts nothing.
func New(o Options) *Answerer {
	a := &Answerer{
		o:     o,
		shelf: newShelf(shelfSize),
		verifiers: map[bool]*staple.Verifier{
			false: staple.NewVerifier(staple.Options{}),
			true:  staple.NewVerifier(staple.Options{Strict: true}),
		},
		named:    named(o.Issuers),
		clients:  newLimits(o.Rate, burstOf(o.Rate)),
		since:    wall().Truncate(time.Second),
		counters: new(counters),
	}
	a.keeper = newKeeper(&a.o, a.shelf, a.verifiers, a.counters)
	return a
}

// Run asks responders about what clients want and is not there, and keeps fresh
// what was asked for, until ctx is done. It is called once. Without it only
// what is there already is answered.
func (a *Answerer) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { a.load(ctx) })
	group.Go(func() { a.record(ctx) })
	return a.keeper.run(ctx)
}

// HandOver has next answer what a, when its Run has ended, can answer no more:
// what has to be asked for. It waits until next knows its certificates. Next, which
// nobody uses yet, goes on with what a has counted.
func (a *Answerer) HandOver(next *Answerer) {
	next.since, next.counters, next.keeper.counters = a.since, a.counters, a.counters
	a.next.Store(next)
}

// load takes in what was kept, as soon as it is known what is looked after.
func (a *Answerer) load(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-a.o.Certificates.Known():
	}
	if a.o.StateDir == "" {
		return
	}
	if err := a.keeper.load(ctx, a.find); err != nil {
		a.o.Log.Warn("kept answers cannot be read", "err", err)
	}
}

// find says how something kept would be asked for, or nil if it is nobody's
// business here any more.
func (a *Answerer) find(key keptKey) *wanted {
	name, id := key.issuer[:sha1.Size], key.issuer[sha1.Size:]
	if m := a.o.Certificates.Find(crypto.SHA1, name, id, key.serial); m != nil && len(m.Responders) > 0 {
		return &wanted{key: key, source: sourceOf(m), chain: m.Chain}
	}
	if s := a.source(crypto.SHA1, name, id); s != nil {
		return &wanted{key: key, source: s}
	}
	return nil
}

// burstOf is how many requests may come at once: what a server with many
// certificates does when it starts.
func burstOf(rate float64) int { return max(10, int(rate*10)) }

// isKnown reports whether all is known that is looked after.
func (a *Answerer) isKnown() bool {
	select {
	case <-a.o.Certificates.Known():
		return true
	default:
		return false
	}
}

// managed returns the newest staple that may be given out for a managed leaf.
// A response to a request must have the CertID that was asked about (RFC 6960
// section 4.2.1), so one with the other hash does not do; whether there is one
// is returned, too.
func (a *Answerer) managed(m *agent.Managed, hash crypto.Hash, now time.Time) (best *page, other bool) {
	for _, path := range m.Staples {
		p := a.shelf.read(path, m.Chain, a.verifiers[m.Strict], now)
		switch {
		case p == nil, !usable(p.Staple, m.Chain.Leaf, now), !shown(p.Status, m.Policy):
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
