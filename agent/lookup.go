package agent

import (
	"crypto"
	"slices"
	"sync"

	"github.com/restaple/restaple/watcher/chain"
)

// Managed is a leaf that an agent looks after, as whoever answers for it needs
// it. It must not be changed.
type Managed struct {
	Chain      *chain.Chain
	Staples    []string // files that may hold its staple
	Responders []string // to ask, in this order
	Configured bool     // the operator named the responder
	Strict     bool     // refuse SHA-1 signatures
	Policy     Policy
}

// Index finds the leaves that an agent looks after by what an OCSP request says
// of them. The agent that has it in its Options fills it and keeps it up to
// date. It may be read by many goroutines.
type Index struct {
	mu      sync.RWMutex
	issuers map[issuerID]*issued
	places  map[targetKey]place
	known   chan struct{} // closed when all has been looked at once
}

// issuerID is how a CertID names an issuer (RFC 6960 section 4.1.1).
type issuerID struct {
	hash      crypto.Hash
	name, key string
}

// issued are the leaves of one issuer, by serial. Certificates of the same
// name and key are the same issuer.
type issued struct {
	ids    []issuerID
	sample *Managed // some leaf that names a responder, or did
	leaves map[string]*Managed
	of     map[string][]place
}

// place is where a target stands in the index.
type place struct {
	key    targetKey
	issuer *issued
	chain  *chain.Chain
	staple string
	group  *Group
}

// NewIndex returns an Index that finds nothing yet.
func NewIndex() *Index {
	return &Index{issuers: make(map[issuerID]*issued), places: make(map[targetKey]place), known: make(chan struct{})}
}

// Known is closed when the agent has looked at all certificates once: what the
// Index does not find from then on is not looked after.
func (x *Index) Known() <-chan struct{} { return x.known }

// complete says that all has been looked at. Only the loop calls it.
func (x *Index) complete() {
	if x == nil {
		return
	}
	select {
	case <-x.known:
	default:
		close(x.known)
	}
}

// Find returns the leaf that a CertID names, or nil. The serial is the content
// of its INTEGER.
func (x *Index) Find(hash crypto.Hash, nameHash, keyHash []byte, serial string) *Managed {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if i := x.issuers[issuerID{hash, string(nameHash), string(keyHash)}]; i != nil {
		return i.leaves[serial]
	}
	return nil
}

// Sibling returns some leaf of the issuer that a CertID names, or nil. It tells
// who is asked about that issuer's leaves.
func (x *Index) Sibling(hash crypto.Hash, nameHash, keyHash []byte) *Managed {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if i := x.issuers[issuerID{hash, string(nameHash), string(keyHash)}]; i != nil {
		return i.sample
	}
	return nil
}

// put notes what the target t holds now. A nil Index notes nothing.
func (x *Index) put(t *target, g *Group) {
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old, known := x.places[t.key]
	if known && t.sub != nil && old.chain == t.sub.chain && old.staple == t.staple {
		return
	}
	if known {
		x.take(old)
	}
	if t.sub == nil || t.sub.chain.Issuer == nil {
		return
	}
	p := place{key: t.key, issuer: x.issuer(t.sub.chain.Issuer), chain: t.sub.chain, staple: t.staple, group: g}
	x.places[t.key] = p
	serial := p.chain.Leaf.Serial
	p.issuer.of[serial] = append(p.issuer.of[serial], p)
	p.issuer.sum(serial)
}

// take removes a place.
func (x *Index) take(p place) {
	delete(x.places, p.key)
	i, serial := p.issuer, p.chain.Leaf.Serial
	i.of[serial] = slices.DeleteFunc(i.of[serial], func(o place) bool { return o.key == p.key })
	i.sum(serial)
	if len(i.leaves) == 0 {
		for _, id := range i.ids {
			delete(x.issuers, id)
		}
	}
}

// issuer returns where the leaves of an issuer are.
func (x *Index) issuer(c *chain.Issuer) *issued {
	var ids []issuerID
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		name, key, _ := c.IDHashes(h) // both are always there
		ids = append(ids, issuerID{h, string(name), string(key)})
	}
	// The last is the one that nobody can make a second issuer for.
	if i := x.issuers[ids[1]]; i != nil {
		return i
	}
	i := &issued{ids: ids, leaves: make(map[string]*Managed), of: make(map[string][]place)}
	for _, id := range ids {
		x.issuers[id] = i
	}
	return i
}

// sum puts together what the places of one leaf say. Where they differ, the
// first one has the word.
func (i *issued) sum(serial string) {
	places := i.of[serial]
	if len(places) == 0 {
		delete(i.of, serial)
		delete(i.leaves, serial)
		return
	}
	g := places[0].group
	m := &Managed{Chain: places[0].chain, Responders: askable(places[0].chain.Leaf.Responders), Strict: g.Strict, Policy: g.Policy}
	if g.Responder != "" {
		m.Responders, m.Configured = []string{g.Responder}, true
	}
	for _, p := range places {
		m.Staples = append(m.Staples, p.staple)
	}
	i.leaves[serial] = m
	if i.sample == nil || len(i.sample.Responders) == 0 {
		i.sample = m
	}
}
