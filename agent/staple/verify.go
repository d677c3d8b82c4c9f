package staple

import (
	"bytes"
	"crypto"
	"time"

	"github.com/restaple/restaple/watcher/chain"
)

// Options are the choices an operator has about verification.
type Options struct {
	// Strict refuses SHA-1 signatures, of responses and of the certificates
	// of responders. Otherwise they are accepted with a warning.
	Strict bool
}

// Verify turns an OCSP response into a staple for the leaf, or says why it is
// none: the error is always an *Error. Everything that RFC 6960 section 3.2
// demands is checked, on DER that is well-formed to the last byte.
func Verify(der []byte, c *chain.Chain, now time.Time, o Options) (*Staple, error) {
	return (&Verifier{options: o}).Verify(der, c, now)
}

// Verify is like the function Verify, with the options of the Verifier.
func (v *Verifier) Verify(der []byte, c *chain.Chain, now time.Time) (*Staple, error) {
	if len(der) <= MaxSize {
		der = bytes.Clone(der) // what is verified must not change any more
	}
	r, err := parse(der)
	if err != nil {
		return nil, err
	}
	if c.Issuer == nil {
		if c.IssuerErr != nil {
			return nil, reject(WrongIssuer, "the leaf %s: %v", c.Leaf.Name, c.IssuerErr)
		}
		return nil, reject(WrongIssuer, "no certificate at hand signed the leaf %s", c.Leaf.Name)
	}
	a, err := signatureAlgorithm(r.algorithm)
	if err != nil {
		return nil, err
	}
	if v.options.Strict && a.hash == crypto.SHA1 {
		return nil, reject(WeakAlgorithm, "signed with SHA-1, which strict refuses")
	}
	signer, err := v.signer(r, a, c.Issuer, now)
	if err != nil {
		return nil, err
	}
	ours, err := r.matching(c)
	if err != nil {
		return nil, err
	}
	if err := r.checkCritical(ours); err != nil {
		return nil, err
	}
	single, err := current(ours, now)
	if err != nil {
		return nil, err
	}
	if err := checkProduced(r.producedAt, c.Leaf, now); err != nil {
		return nil, err
	}
	s := r.staple(single, signer, c.Leaf)
	s.der = der
	if now.After(c.Leaf.NotAfter) {
		e := reject(Expired, "the certificate itself expired at %s", stamp(c.Leaf.NotAfter))
		e.ThisUpdate, e.NextUpdate = s.ThisUpdate, s.NextUpdate
		return nil, e
	}
	s.Warnings = r.warnings(a, ours, single, signer, c.Leaf, now)
	return s.judge()
}

// judge lets only good pass as a staple.
func (s *Staple) judge() (*Staple, error) {
	switch s.Status {
	case Good:
		return s, nil
	case Unknown:
		e := reject(IsUnknown, "the responder does not know the certificate")
		e.Statement = s
		return nil, e
	}
	e := reject(IsRevoked, "revoked at %s", stamp(s.RevokedAt))
	if s.RevocationReason != "" {
		e.Detail += ", " + s.RevocationReason
	}
	e.Statement = s
	return nil, e
}

// checkProduced refuses a producedAt in the future, and one outside the
// leaf's validity, as Chromium does.
func checkProduced(at time.Time, leaf *chain.Leaf, now time.Time) error {
	switch {
	case at.After(now.Add(skew)): // it will be valid, unlike the two below
		return reject(NotYetValid, "producedAt %s is in the future", stamp(at))
	case at.Before(leaf.NotBefore):
		return reject(BadProducedAt, "producedAt %s is before the certificate's notBefore %s", stamp(at), stamp(leaf.NotBefore))
	case at.After(leaf.NotAfter):
		return reject(BadProducedAt, "producedAt %s is after the certificate's notAfter %s", stamp(at), stamp(leaf.NotAfter))
	}
	return nil
}

// staple puts together what was verified.
func (r *response) staple(single *single, signer *signer, leaf *chain.Leaf) *Staple {
	s := &Staple{
		nonce:            r.nonce(),
		Status:           single.status,
		ThisUpdate:       single.thisUpdate,
		NextUpdate:       single.nextUpdate,
		ProducedAt:       r.producedAt,
		Expires:          single.end(),
		Hash:             hashOf(single.id.hash),
		Singles:          len(r.singles),
		Delegated:        signer.delegated,
		Signer:           signer.name,
		Unreadable:       r.unreadable,
		EmptyExtensions:  r.hasEmptyExtensions(),
		RevokedAt:        single.revokedAt,
		RevocationReason: single.reason,
	}
	if leaf.NotAfter.Before(s.Expires) {
		s.Expires = leaf.NotAfter
	}
	if signer.delegated && signer.notAfter.Before(s.Expires) {
		s.Expires = signer.notAfter
	}
	return s
}
