package chain

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// FromCertificates finds the leaf among certificates in any order, and the
// issuer if it is among them too. The error is ErrNotChain if all are CAs.
func FromCertificates(certs []*x509.Certificate) (*Chain, error) {
	sketches := make([]*sketch, 0, len(certs))
	for _, cert := range certs {
		sketches = append(sketches, sketchOf(cert))
	}
	cert, err := pickLeaf(sketches)
	if err != nil {
		return nil, err
	}
	leaf, err := NewLeaf(cert)
	if err != nil {
		return nil, err
	}
	c := &Chain{Leaf: leaf}
	found := FindIssuer(cert, certs, time.Now())
	if found == nil {
		c.IssuerErr = WhyNoIssuer(cert, certs)
		return c, nil
	}
	if c.Issuer, err = NewIssuer(found); err != nil {
		return nil, err
	}
	return c, nil
}

// maxChecks is how many signatures are checked to tell the leaf in one file. A
// chain takes as many as it has certificates; a file that is made for it could
// take millions.
const maxChecks = 1000

// pickLeaf returns the first certificate that is neither marked as a CA nor
// has signed another one here: old private roots carry no mark.
func pickLeaf(sketches []*sketch) (*x509.Certificate, error) {
	var broken error
	checks := maxChecks
	for i, s := range sketches {
		if s.ca || signedAnother(s, sketches, &checks) {
			continue
		}
		if checks < 0 {
			return nil, errors.New("too many certificates of one name to tell which is the leaf")
		}
		cert, err := s.certificate()
		if err != nil {
			broken = errors.Join(broken, fmt.Errorf("certificate %d: %w", i+1, err))
			continue
		}
		return cert, nil
	}
	if broken != nil {
		return nil, broken
	}
	return nil, ErrNotChain
}

// signedAnother takes each check off what is left of them, and gives up when
// there is none.
func signedAnother(s *sketch, all []*sketch, left *int) bool {
	for _, o := range all {
		if o.sum == s.sum || !bytes.Equal(o.issuer, s.subject) {
			continue
		}
		signer, err := s.certificate()
		if err != nil {
			return false
		}
		if *left--; *left < 0 {
			return false
		}
		if signed, err := o.certificate(); err == nil && signs(signer, signed) {
			return true
		}
	}
	return false
}

// FindIssuer returns the candidate that signed the leaf, or nil. Its subject is
// the leaf's issuer, byte for byte, and its key verifies the leaf's signature;
// order, key identifiers and the CA bit prove nothing. Among cross-signed
// twins one that is valid now wins, then the one that ends last, so that
// the choice does not depend on the order.
func FindIssuer(leaf *x509.Certificate, candidates []*x509.Certificate, now time.Time) *x509.Certificate {
	var best *x509.Certificate
	for _, c := range candidates {
		if c == best || !bytes.Equal(c.RawSubject, leaf.RawIssuer) || !signs(c, leaf) {
			continue
		}
		if best == nil || preferred(c, best, now) {
			best = c
		}
	}
	return best
}

// WhyNoIssuer says why FindIssuer finds none among the candidates.
func WhyNoIssuer(leaf *x509.Certificate, candidates []*x509.Certificate) error {
	namesake := false
	for _, c := range candidates {
		if !bytes.Equal(c.RawSubject, leaf.RawIssuer) {
			continue
		}
		namesake = true
		if err := uncheckable(c, leaf); err != nil {
			return fmt.Errorf("nobody can tell whether the certificate of %q signed it: %w", leaf.Issuer, err)
		}
	}
	if namesake {
		return fmt.Errorf("the certificate of %q did not sign it: same name, other key", leaf.Issuer)
	}
	return fmt.Errorf("no certificate of %q among those given", leaf.Issuer)
}

// uncheckable says why a signature cannot even be looked at: crypto/x509 knows
// no keys that are marked for RSASSA-PSS, no Ed448, and no MD5 any more.
func uncheckable(issuer, cert *x509.Certificate) error {
	err := issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	if _, insecure := errors.AsType[x509.InsecureAlgorithmError](err); insecure || errors.Is(err, x509.ErrUnsupportedAlgorithm) {
		return err
	}
	return nil
}

// signs does without CheckSignatureFrom, which refuses SHA-1 signatures and
// issuers that lack the CA bit. Private PKIs have both.
func signs(issuer, cert *x509.Certificate) bool {
	return issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

func preferred(a, b *x509.Certificate, now time.Time) bool {
	if va, vb := validAt(a, now), validAt(b, now); va != vb {
		return va
	}
	if c := a.NotAfter.Compare(b.NotAfter); c != 0 {
		return c > 0
	}
	return bytes.Compare(a.Raw, b.Raw) < 0
}

func validAt(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
}
