package staple

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	der "encoding/asn1"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/restaple/restaple/watcher/chain"
)

// signer is who signed a response, or may have.
type signer struct {
	name      string // subject, for people
	public    crypto.PublicKey
	delegated bool
	notBefore time.Time // of a delegate; the issuer's own dates are the chain's business
	notAfter  time.Time
	warnings  []string
}

// subjectOf names a certificate for people. The name goes to terminals and comes
// from whoever the issuer issues to, so nothing unprintable stays in it.
func subjectOf(cert *x509.Certificate) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, cert.Subject.String())
}

// validAt says whether a delegate may sign at the time.
func (s *signer) validAt(now time.Time) error {
	switch {
	case !s.delegated:
		return nil
	case now.Before(s.notBefore):
		return reject(NotAuthorized, "the responder's certificate %q is not valid before %s", s.name, stamp(s.notBefore))
	case now.After(s.notAfter):
		return reject(NotAuthorized, "the responder's certificate %q expired at %s", s.name, stamp(s.notAfter))
	}
	return nil
}

// signer finds who signed the response, among the issuer and all embedded
// certificates in whatever order (RFC 6960 section 4.2.2.2). Only those that the
// ResponderID names come into question, and there may be several: names are not
// unique. There is no responder that only we trust: clients would refuse what it
// signs.
func (v *Verifier) signer(r *response, a algorithm, issuer *chain.Issuer, now time.Time) (*signer, error) {
	t := trial{response: r, algorithm: a, now: now}
	_, key, _ := issuer.IDHashes(crypto.SHA1)
	if r.responder.is(issuer.Certificate.RawSubject, key) {
		if s := v.issuer(issuer); t.passes(s, nil) {
			return s, nil
		}
	}
	for _, cert := range r.certificates {
		// Responders may embed what they think helps (RFC 6960 section
		// 4.2.1). What is named by nothing is skipped.
		if !r.responder.names(cert.subject, cert.keyBits) || bytes.Equal(cert.element, issuer.Certificate.Raw) {
			continue
		}
		if s, err := v.delegate(cert.element, issuer); t.passes(s, err) {
			return s, nil
		}
	}
	if t.failure == nil {
		return nil, reject(NotAuthorized, "the responder %s is neither the issuer nor has it embedded its certificate", r.responder)
	}
	return nil, t.failure
}

// trial tries one signer after the other and keeps the error of the one that
// came furthest.
type trial struct {
	response   *response
	algorithm  algorithm
	now        time.Time
	failure    error
	authorized bool // the failure is the signature's
}

func (t *trial) passes(s *signer, err error) bool {
	if err == nil {
		err = s.validAt(t.now)
	}
	if err != nil {
		if !t.authorized {
			t.failure = err
		}
		return false
	}
	if err := t.algorithm.check(s.public, t.response.signed, t.response.signature); err != nil {
		t.failure, t.authorized = err, true
		return false
	}
	return true
}

// is reports whether the ResponderID names a certificate, by its subject and
// the SHA-1 of its public key.
func (id responderID) is(subject, key []byte) bool {
	if id.name != nil {
		return bytes.Equal(id.name, subject)
	}
	return bytes.Equal(id.key, key)
}

// names is like is, with the bits of the key.
func (id responderID) names(subject, bits []byte) bool {
	if id.name != nil {
		return bytes.Equal(id.name, subject)
	}
	key := sha1.Sum(bits)
	return bytes.Equal(id.key, key[:])
}

// String is for people.
func (id responderID) String() string {
	if id.name == nil {
		return "with the key " + hex.EncodeToString(id.key)
	}
	var name pkix.RDNSequence
	if rest, err := der.Unmarshal(id.name, &name); err != nil || len(rest) > 0 {
		return "with a name that cannot be read"
	}
	return strconv.Quote(name.String())
}
