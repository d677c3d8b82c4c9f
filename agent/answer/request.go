package answer

import (
	"crypto"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// certID names a certificate (RFC 6960 section 4.1.1).
type certID struct {
	hash      crypto.Hash // 0: one that nobody here can compute
	nameHash  []byte
	keyHash   []byte
	serial    string            // content octets of the INTEGER
	algorithm cryptobyte.String // a whole AlgorithmIdentifier
}

// request is an OCSPRequest, well-formed to the last byte.
type request struct {
	ids   []certID
	nonce []byte // nil: none
}

const (
	// maxIDs is how many certificates one request may be about. Chains have
	// a handful.
	maxIDs = 16

	// maxSerial is how many octets a serial may have. RFC 5280 section
	// 4.1.2.2 allows 20.
	maxSerial = 40

	// maxNonce is the most that a nonce may have (RFC 9654 section 2.1).
	maxNonce = 128
)

// Content octets of object identifiers.
const (
	oidSHA1   = "\x2b\x0e\x03\x02\x1a"                 // 1.3.14.3.2.26
	oidSHA256 = "\x60\x86\x48\x01\x65\x03\x04\x02\x01" // 2.16.840.1.101.3.4.2.1
	oidNonce  = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02" // id-pkix-ocsp-nonce
)

var (
	errMalformed = errors.New("not an OCSP request")

	tag0 = asn1.Tag(0).ContextSpecific().Constructed()
	tag1 = asn1.Tag(1).ContextSpecific().Constructed()
	tag2 = asn1.Tag(2).ContextSpecific().Constructed()
)

// parseRequest reads an OCSPRequest (RFC 6960 section 4.1.1). Slices of the
// result point into der. A signature and the requestor's name are passed over:
// everybody gets the same answer.
func parseRequest(der []byte) (*request, error) {
	var outer, tbs, version, list, skipped cryptobyte.String
	var present, signed bool
	in := cryptobyte.String(der)
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!outer.ReadOptionalASN1(&skipped, &signed, tag0) || !outer.Empty() ||
		!tbs.ReadOptionalASN1(&version, &present, tag0) {
		return nil, errMalformed
	}
	if present {
		// v1 is the default, and the only one there is.
		var v int
		if !version.ReadASN1Integer(&v) || !version.Empty() || v != 0 {
			return nil, errMalformed
		}
	}
	r := new(request)
	if !tbs.SkipOptionalASN1(tag1) || !tbs.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, errMalformed
	}
	for !list.Empty() {
		var id certID
		if len(r.ids) == maxIDs || !id.read(&list) {
			return nil, errMalformed
		}
		r.ids = append(r.ids, id)
	}
	if len(r.ids) == 0 || !readExtensions(&tbs, tag2, r.take) || !tbs.Empty() {
		return nil, errMalformed
	}
	return r, nil
}

// read takes one Request from a list.
func (id *certID) read(list *cryptobyte.String) bool {
	var one, cert, algorithm, oid, name, key, serial cryptobyte.String
	if !list.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1(&cert, asn1.SEQUENCE) ||
		!readExtensions(&one, tag0, unknownExtension) || !one.Empty() {
		return false
	}
	if !cert.ReadASN1Element(&id.algorithm, asn1.SEQUENCE) {
		return false
	}
	whole := id.algorithm
	if !whole.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
		!readNull(&algorithm) ||
		!cert.ReadASN1(&name, asn1.OCTET_STRING) || !cert.ReadASN1(&key, asn1.OCTET_STRING) ||
		!cert.ReadASN1(&serial, asn1.INTEGER) || !cert.Empty() || !minimal(serial) {
		return false
	}
	switch string(oid) {
	case oidSHA1:
		id.hash = crypto.SHA1
	case oidSHA256:
		id.hash = crypto.SHA256
	}
	if id.hash != 0 && (len(name) != id.hash.Size() || len(key) != id.hash.Size()) {
		return false
	}
	id.nameHash, id.keyHash, id.serial = name, key, string(serial)
	return true
}

// readNull takes the parameters of a hash: NULL, or nothing.
func readNull(s *cryptobyte.String) bool {
	var null cryptobyte.String
	return s.Empty() || s.ReadASN1(&null, asn1.NULL) && null.Empty() && s.Empty()
}

// minimal reports whether an INTEGER's content is as DER has it.
func minimal(n []byte) bool {
	switch {
	case len(n) == 0, len(n) > maxSerial:
		return false
	case len(n) == 1:
		return true
	}
	return (n[0] != 0 || n[1]&0x80 != 0) && (n[0] != 0xff || n[1]&0x80 == 0)
}

// readExtensions reads optional Extensions behind an explicit tag.
func readExtensions(s *cryptobyte.String, tag asn1.Tag, take func(oid, value cryptobyte.String, critical bool) bool) bool {
	var outer, list cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&outer, &present, tag) {
		return false
	}
	if !present {
		return true
	}
	if !outer.ReadASN1(&list, asn1.SEQUENCE) || !outer.Empty() || list.Empty() {
		return false
	}
	for !list.Empty() {
		var one, oid, value cryptobyte.String
		var critical bool
		if !list.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
			return false
		}
		if one.PeekASN1Tag(asn1.BOOLEAN) && !one.ReadASN1Boolean(&critical) {
			return false
		}
		if !one.ReadASN1(&value, asn1.OCTET_STRING) || !one.Empty() || !take(oid, value, critical) {
			return false
		}
	}
	return true
}

// take takes one of requestExtensions. Preferred algorithms and the like are
// wishes, and nobody here can sign anew.
func (r *request) take(oid, value cryptobyte.String, critical bool) bool {
	if string(oid) != oidNonce {
		return unknownExtension(oid, value, critical)
	}
	var nonce cryptobyte.String
	if r.nonce != nil || !value.ReadASN1(&nonce, asn1.OCTET_STRING) || !value.Empty() ||
		len(nonce) == 0 || len(nonce) > maxNonce {
		return false
	}
	r.nonce = nonce
	return true
}

// unknownExtension accepts what may be ignored.
func unknownExtension(_, _ cryptobyte.String, critical bool) bool { return !critical }

// encode makes an OCSPRequest of what counts in r.
func (r *request) encode() ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // OCSPRequest
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // TBSRequest
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { // requestList
				for i := range r.ids {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { r.ids[i].add(b) })
				}
			})
			if r.nonce != nil {
				b.AddASN1(tag2, func(b *cryptobyte.Builder) { addNonce(b, r.nonce) })
			}
		})
	})
	return b.Bytes()
}

func (id *certID) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(id.algorithm)
		b.AddASN1OctetString(id.nameHash)
		b.AddASN1OctetString(id.keyHash)
		b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(id.serial)) })
	})
}

func addNonce(b *cryptobyte.Builder, nonce []byte) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oidNonce)) })
			b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
		})
	})
}
