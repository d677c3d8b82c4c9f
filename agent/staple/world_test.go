package staple_test

import (
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

const day = 24 * time.Hour

// world is a CA, a leaf, and a moment at which all of it is valid. The leaf's
// serial has a sign octet: 00 80 … 01.
type world struct {
	testing.TB
	now      time.Time
	ca       *lab.CA
	leaf     *lab.Issued
	chain    *chain.Chain
	delegate *lab.Issued
}

func newWorld(t testing.TB) *world { return newWorldOf(t, lab.ECDSA) }

func newWorldOf(t testing.TB, keys lab.KeyType) *world {
	t.Helper()
	w := &world{TB: t, now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	pki, err := lab.NewPKI(lab.PKIOptions{KeyType: keys, NotBefore: w.now.Add(-100 * day), NotAfter: w.now.Add(1000 * day)})
	if err != nil {
		t.Fatal(err)
	}
	w.ca = pki.Intermediate
	serial := new(big.Int).Lsh(big.NewInt(1), 63)
	w.leaf = w.issue(lab.IssueOptions{Names: []string{"leaf.test"}, Serial: serial.Add(serial, big.NewInt(1))})
	w.chain = w.chainOf(w.leaf, w.ca)
	w.delegate = w.issue(lab.IssueOptions{CommonName: "delegate", OCSPSigning: true, NoCheck: true, KeyType: keys})
	return w
}

// issue issues a certificate that is valid for ten days around now unless the
// options say otherwise.
func (w *world) issue(o lab.IssueOptions) *lab.Issued {
	w.Helper()
	return w.issueBy(w.ca, o)
}

func (w *world) issueBy(ca *lab.CA, o lab.IssueOptions) *lab.Issued {
	w.Helper()
	if o.NotBefore.IsZero() {
		o.NotBefore = w.now.Add(-20 * day)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = w.now.Add(90 * day)
	}
	issued, err := ca.Issue(o)
	if err != nil {
		w.Fatal(err)
	}
	return issued
}

func (w *world) chainOf(leaf *lab.Issued, ca *lab.CA) *chain.Chain {
	w.Helper()
	l, err := chain.NewLeaf(leaf.Certificate)
	if err != nil {
		w.Fatal(err)
	}
	issuer, err := chain.NewIssuer(ca.Certificate)
	if err != nil {
		w.Fatal(err)
	}
	return &chain.Chain{Leaf: l, Issuer: issuer}
}

// good is a response that verifies; tests change one thing of it.
func (w *world) good() lab.Response {
	return w.ca.Vouch(w.leaf.Certificate, w.now.Add(-2*day), w.now.Add(5*day))
}

// delegated is one that verifies and is signed by a delegate.
func (w *world) delegated(by *lab.Issued) lab.Response {
	r := w.good()
	r.Signer, r.Embed = by.KeyPair, []*x509.Certificate{by.Certificate}
	return r
}

func (w *world) encode(r lab.Response) []byte {
	w.Helper()
	der, err := r.Encode()
	if err != nil {
		w.Fatal(err)
	}
	return der
}

func (w *world) verify(der []byte, o staple.Options) (*staple.Staple, error) {
	return staple.Verify(der, w.chain, w.now, o)
}

// accept fails the test unless the response is a staple.
func (w *world) accept(der []byte, o staple.Options) *staple.Staple {
	w.Helper()
	s, err := w.verify(der, o)
	if err != nil {
		w.Fatalf("got %v, want a staple", err)
	}
	return s
}

// refuse fails the test unless the response is refused for the reason.
func (w *world) refuse(der []byte, o staple.Options, want staple.Reason) *staple.Error {
	w.Helper()
	s, err := w.verify(der, o)
	e, ok := errors.AsType[*staple.Error](err)
	if s != nil || !ok {
		w.Fatalf("got staple %v and error %v, want refused as %s", s, err, want)
	}
	if e.Reason != want {
		w.Fatalf("got %v, want refused as %s", err, want)
	}
	return e
}
