// Package staple turns the bytes of an OCSP response into a verified staple,
// or says why they are none. Almost no server verifies what it staples, so
// this is the only check in the path.
package staple

import (
	"crypto"
	"time"
)

// Status is what a verified response says of the leaf (RFC 6960 section 2.2).
type Status string

// The three statuses a responder can give.
const (
	Good    Status = "good"
	Revoked Status = "revoked"
	Unknown Status = "unknown"
)

// Staple is a verified response. Only Verify makes one.
type Staple struct {
	der   []byte
	nonce []byte

	Status     Status
	ThisUpdate time.Time
	NextUpdate time.Time // zero if the response has none
	ProducedAt time.Time

	// Expires is when the staple's useful life ends: the earliest of
	// nextUpdate (24 h after thisUpdate if absent), the delegated signer's
	// notAfter and the leaf's notAfter.
	Expires time.Time

	Hash      crypto.Hash // of the CertID that matched: SHA-1 or SHA-256, rarely SHA-384 or SHA-512
	Singles   int         // number of SingleResponses in the response
	Delegated bool        // signed by a delegated responder, not by the issuer itself
	Signer    string      // subject of the certificate that signed

	// Unreadable is how many of the certificates in the response cannot be
	// read. Nothing depends on them, so they are passed over; but OpenSSL,
	// GnuTLS and Java refuse the whole response for one.
	Unreadable int

	// EmptyExtensions says that the response has a list of extensions without
	// any in it, for which Chromium ignores it.
	EmptyExtensions bool

	// RevokedAt and RevocationReason are set if Status is Revoked; the
	// reason is a name of RFC 5280 section 5.3.1, or "" if none was given.
	RevokedAt        time.Time
	RevocationReason string

	// Warnings name what is odd but accepted, in words for people.
	Warnings []string
}

// DER returns the response as it was verified. It must not be changed.
func (s *Staple) DER() []byte { return s.der }

// Nonce returns the nonce of the response, or nil if it has none (RFC 9654).
// Verify ignores it: only who asked knows what it had to be.
func (s *Staple) Nonce() []byte { return s.nonce }

// NewerThan reports whether s says something later than o: by thisUpdate,
// then producedAt, then nextUpdate. A nil o is older than everything.
func (s *Staple) NewerThan(o *Staple) bool {
	if o == nil {
		return true
	}
	for _, c := range []int{
		s.ThisUpdate.Compare(o.ThisUpdate),
		s.ProducedAt.Compare(o.ProducedAt),
		s.NextUpdate.Compare(o.NextUpdate),
	} {
		if c != 0 {
			return c > 0
		}
	}
	return false
}
