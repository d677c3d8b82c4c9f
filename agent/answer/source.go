package answer

import (
	"crypto"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/watcher/chain"
)

// Issuer is a CA whose certificates are answered for although none of them is
// looked after.
type Issuer struct {
	Issuer     *chain.Issuer
	Responders []string // URLs, in the order in which they are asked
}

// source is an issuer and who is asked about what it has issued.
type source struct {
	issuer     *chain.Issuer
	responders []string
	configured bool // the operator named them
	strict     bool
}

// issuerKey names an issuer by the hashes of its name and its key, SHA-1 both.
type issuerKey [2 * 20]byte

func keyOf(i *chain.Issuer) (k issuerKey) {
	name, key, _ := i.IDHashes(crypto.SHA1) // is always there
	copy(k[copy(k[:], name):], key)
	return k
}

// named are the issuers that the operator has named, by the two hashes of a
// CertID one after the other.
func named(issuers []Issuer) map[string]*source {
	by := make(map[string]*source)
	for _, i := range issuers {
		s := &source{issuer: i.Issuer, responders: i.Responders, configured: true}
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			name, key, _ := i.Issuer.IDHashes(h) // both are always there
			by[string(name)+string(key)] = s
		}
	}
	return by
}

// source returns who is asked about a certificate that is not looked after, or
// nil if it is nobody's business here.
func (a *Answerer) source(hash crypto.Hash, nameHash, keyHash []byte) *source {
	if !a.o.ForIssuers {
		return nil
	}
	if s := a.named[string(nameHash)+string(keyHash)]; s != nil {
		return s
	}
	if m := a.o.Certificates.Sibling(hash, nameHash, keyHash); m != nil && len(m.Responders) > 0 {
		return sourceOf(m)
	}
	return nil
}

func sourceOf(m *agent.Managed) *source {
	return &source{issuer: m.Chain.Issuer, responders: m.Responders, configured: m.Configured, strict: m.Strict}
}

// chainOf stands for a certificate of which only the serial is known. A
// response about it verifies as far as that goes: it is the issuer's word about
// this serial.
func (s *source) chainOf(serial string) *chain.Chain {
	leaf := &chain.Leaf{Serial: serial, NotAfter: time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)}
	leaf.Name = leaf.SerialHex()
	return &chain.Chain{Leaf: leaf, Issuer: s.issuer}
}
