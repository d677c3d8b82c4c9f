package profile

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// sample is a response of each kind, for the leaf it is stapled to.
type sample struct {
	trait  Trait
	issued *lab.Issued
	der    []byte
}

// chain is the leaf and issuer of the sample.
func (s sample) chain(t testing.TB) *chain.Chain {
	t.Helper()
	certs, err := chain.Parse(s.issued.ChainPEM())
	if err != nil {
		t.Fatal(err)
	}
	c, err := chain.FromCertificates(certs)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newPKI(t testing.TB) *lab.PKI {
	t.Helper()
	pki, err := lab.NewPKI(lab.PKIOptions{Responders: []string{"http://127.0.0.1:1/"}, NotBefore: time.Now().Add(-60 * aDay)})
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

// samples makes one response for each trait, which has no other trait beside
// it unless it cannot be otherwise.
func samples(t testing.TB, pki *lab.PKI, now time.Time) []sample {
	t.Helper()
	ca := pki.Intermediate
	issue := func(o lab.IssueOptions) *lab.Issued {
		o.Names = []string{"localhost", "127.0.0.1"}
		if o.NotBefore.IsZero() {
			o.NotBefore = now.Add(-30 * aDay)
		}
		issued, err := ca.Issue(o)
		if err != nil {
			t.Fatal(err)
		}
		return issued
	}
	leaf, must := issue(lab.IssueOptions{}), issue(lab.IssueOptions{MustStaple: true})
	ended := issue(lab.IssueOptions{NotAfter: now.Add(-time.Hour)})
	noDelegate := issue(lab.IssueOptions{CommonName: "no delegate"})
	encode := func(issued *lab.Issued, change func(*lab.Response)) []byte {
		r := ca.Vouch(issued.Certificate, now.Add(-time.Hour), now.Add(aDay))
		if change != nil {
			change(&r)
		}
		der, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	plain := encode(leaf, nil)
	rows := []struct {
		trait  Trait
		change func(*lab.Response)
	}{
		{good, nil},
		{errorStatus, func(r *lab.Response) { r.Status = lab.Unauthorized }},
		{tryLater, func(r *lab.Response) { r.Status = lab.TryLater }},
		{mismatch, func(r *lab.Response) { r.Singles[0].Serial = big.NewInt(4711) }},
		{notAuthorized, func(r *lab.Response) {
			r.Signer, r.Embed = noDelegate.KeyPair, append(r.Embed, noDelegate.Certificate)
		}},
		{badSignature, func(r *lab.Response) {
			r.TamperData = func(b []byte) []byte { return b }
			r.TamperSignature = func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
		}},
		{critical, func(r *lab.Response) { r.Singles[0].Extensions = oddExtension(0, true) }},
		{badWindow, func(r *lab.Response) { r.Singles[0].NextUpdate = r.Singles[0].ThisUpdate.Add(-time.Minute) }},
		{saysRevoked, func(r *lab.Response) {
			r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, now.Add(-2*time.Hour)
		}},
		{saysUnknown, func(r *lab.Response) { r.Singles[0].Status = lab.Unknown }},
		{expired, func(r *lab.Response) {
			*r = ca.Vouch(leaf.Certificate, now.Add(-4*aDay), now.Add(-3*aDay))
		}},
		{farFuture, func(r *lab.Response) {
			r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = now.Add(2*aDay), now.Add(3*aDay)
		}},
		{future, func(r *lab.Response) { r.Singles[0].ThisUpdate = now.Add(time.Hour) }},
		{oddProduced, func(r *lab.Response) { r.ProducedAt = now.Add(-40 * aDay) }},
		{multi, func(r *lab.Response) {
			second := r.Singles[0]
			second.Serial = big.NewInt(4711)
			r.Singles = append(r.Singles, second)
		}},
		{sha256ID, func(r *lab.Response) { r.Singles[0].Hash = crypto.SHA256 }},
		{noNextUpdate, func(r *lab.Response) { r.Singles[0].NextUpdate = time.Time{} }},
		{emptyList, func(r *lab.Response) { r.Singles[0].Extensions = []pkix.Extension{} }},
		{endingSoon, func(r *lab.Response) { r.Singles[0].NextUpdate = now.Add(4 * time.Minute) }},
		{old, func(r *lab.Response) { *r = ca.Vouch(leaf.Certificate, now.Add(-9*aDay), now.Add(aDay)) }},
		{over10K, func(r *lab.Response) { r.Singles[0].Extensions = oddExtension(11000, false) }},
		{over16K, func(r *lab.Response) { r.Singles[0].Extensions = oddExtension(17000, false) }},
		{trailing, func(r *lab.Response) {
			r.Tamper = func(b []byte) []byte { return append(bytes.Clone(b), "trailing"...) }
		}},
		{garbage, func(r *lab.Response) { r.Tamper = func(b []byte) []byte { return b[:len(b)-20] } }},
		{asText, func(r *lab.Response) {
			r.Tamper = func(b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "OCSP RESPONSE", Bytes: b}) }
		}},
		{blank, func(r *lab.Response) { r.Tamper = func([]byte) []byte { return nil } }},
	}
	all := []sample{
		{unstapled, must, staple.Placeholder()},
		{leafEnded, ended, encode(ended, nil)},
	}
	for _, row := range rows {
		der := plain
		if row.change != nil {
			der = encode(leaf, row.change)
		}
		all = append(all, sample{row.trait, leaf, der})
	}
	return all
}

// oddExtension is one that nobody knows.
func oddExtension(size int, isCritical bool) []pkix.Extension {
	return []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: isCritical, Value: append([]byte{4, 0}, make([]byte, size)...)}}
}
