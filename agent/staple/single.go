package staple

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// single is a SingleResponse (RFC 6960 section 4.2.1).
type single struct {
	id         certID
	status     Status
	revokedAt  time.Time
	reason     string // a name of RFC 5280 section 5.3.1, or ""
	thisUpdate time.Time
	nextUpdate time.Time
	hasNext    bool // the year 1 is a nextUpdate too, and long past
	extensions []extension
}

// certID is a CertID (RFC 6960 section 4.1.1).
type certID struct {
	hash              cryptobyte.String // object identifier
	nameHash, keyHash cryptobyte.String
	serial            cryptobyte.String // content octets of the INTEGER
}

var (
	tagGood    = asn1.Tag(0).ContextSpecific()
	tagUnknown = asn1.Tag(2).ContextSpecific()
)

func (r *single) read(s *cryptobyte.String) bool {
	var seq, next cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !r.id.read(&seq) || !r.readStatus(&seq) ||
		!readTime(&seq, &r.thisUpdate) || !seq.ReadOptionalASN1(&next, &r.hasNext, tag0) {
		return false
	}
	if r.hasNext && (!readTime(&next, &r.nextUpdate) || !next.Empty()) {
		return false
	}
	return readExtensions(&seq, tag1, &r.extensions) && seq.Empty()
}

func (id *certID) read(s *cryptobyte.String) bool {
	var seq cryptobyte.String
	var hash algorithmIdentifier
	ok := s.ReadASN1(&seq, asn1.SEQUENCE) && readAlgorithm(&seq, &hash) &&
		seq.ReadASN1(&id.nameHash, asn1.OCTET_STRING) &&
		seq.ReadASN1(&id.keyHash, asn1.OCTET_STRING) &&
		readInteger(&seq, &id.serial) && seq.Empty()
	id.hash = hash.oid
	// What parameters a hash may have is known only of those we know.
	return ok && (hashOf(hash.oid) == 0 || hash.plain())
}

func (r *single) readStatus(s *cryptobyte.String) bool {
	var in cryptobyte.String
	switch {
	case s.PeekASN1Tag(tagGood):
		r.status = Good
		return s.ReadASN1(&in, tagGood) && in.Empty()
	case s.PeekASN1Tag(tagUnknown):
		r.status = Unknown
		return s.ReadASN1(&in, tagUnknown) && in.Empty()
	}
	r.status = Revoked
	var wrapped cryptobyte.String
	var present bool
	if !s.ReadASN1(&in, tag1) || !readTime(&in, &r.revokedAt) ||
		!in.ReadOptionalASN1(&wrapped, &present, tag0) || !in.Empty() {
		return false
	}
	if !present {
		return true
	}
	var reason int
	if !readSmall(&wrapped, asn1.ENUM, &reason) || !wrapped.Empty() || reason >= len(revocationReasons) {
		return false
	}
	r.reason = revocationReasons[reason]
	return r.reason != ""
}

// revocationReasons are the CRLReasons (RFC 5280 section 5.3.1); 7 is not
// used.
var revocationReasons = [...]string{
	"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
	"cessationOfOperation", "certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
}
