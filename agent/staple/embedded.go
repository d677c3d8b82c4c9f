package staple

import (
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// embedded is a certificate in a response: well-formed (RFC 5280 section 4.1),
// and no more than that. A response may carry a whole chain, of which at most
// one has to be understood.
type embedded struct {
	element cryptobyte.String // all of it
	subject cryptobyte.String // a whole Name
	keyBits []byte            // of the public key, of which a ResponderID has the hash
}

func readEmbedded(element cryptobyte.String) (e embedded, ok bool) {
	e.element = element
	var cert, tbs cryptobyte.String
	ok = element.ReadASN1(&cert, asn1.SEQUENCE) && cert.ReadASN1(&tbs, asn1.SEQUENCE) && e.readTBS(tbs) &&
		skipAlgorithm(&cert) && readBits(&cert, nil) && cert.Empty()
	return e, ok
}

// readTBS reads a TBSCertificate.
func (e *embedded) readTBS(in cryptobyte.String) bool {
	var version, serial, validity, key cryptobyte.String
	var present bool
	var v int
	if !in.ReadOptionalASN1(&version, &present, tag0) || present && (!readSmall(&version, asn1.INTEGER, &v) || !version.Empty()) ||
		!readInteger(&in, &serial) || !skipAlgorithm(&in) ||
		!readName(&in, nil) ||
		!in.ReadASN1(&validity, asn1.SEQUENCE) || !skipTime(&validity) || !skipTime(&validity) || !validity.Empty() ||
		!readName(&in, &e.subject) ||
		!in.ReadASN1(&key, asn1.SEQUENCE) || !skipAlgorithm(&key) || !readBits(&key, &e.keyBits) || !key.Empty() {
		return false
	}
	for _, tag := range []asn1.Tag{asn1.Tag(1).ContextSpecific(), asn1.Tag(2).ContextSpecific()} { // unique identifiers
		if !in.SkipOptionalASN1(tag) {
			return false
		}
	}
	return skipExtensions(&in) && in.Empty()
}

// skipExtensions reads the extensions of a certificate. Unlike those of a
// response they may say FALSE where DER leaves it out: many do.
func skipExtensions(s *cryptobyte.String) bool {
	var wrapped, list cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&wrapped, &present, asn1.Tag(3).ContextSpecific().Constructed()) || !present {
		return !present
	}
	if !wrapped.ReadASN1(&list, asn1.SEQUENCE) || !wrapped.Empty() {
		return false
	}
	for !list.Empty() {
		var in, kind, value cryptobyte.String
		var critical bool
		if !list.ReadASN1(&in, asn1.SEQUENCE) || !readOID(&in, &kind) ||
			in.PeekASN1Tag(asn1.BOOLEAN) && !in.ReadASN1Boolean(&critical) ||
			!in.ReadASN1(&value, asn1.OCTET_STRING) || !in.Empty() {
			return false
		}
	}
	return true
}

// readName reads a Name: relative distinguished names, each a set of
// attributes, each an identifier with any one value. Whole may be nil.
func readName(s, whole *cryptobyte.String) bool {
	var element, names cryptobyte.String
	if !s.ReadASN1Element(&element, asn1.SEQUENCE) {
		return false
	}
	in := element
	if !in.ReadASN1(&names, asn1.SEQUENCE) {
		return false
	}
	for !names.Empty() {
		var set cryptobyte.String
		if !names.ReadASN1(&set, asn1.SET) || set.Empty() {
			return false
		}
		for !set.Empty() {
			var attribute, kind, value cryptobyte.String
			var tag asn1.Tag
			if !set.ReadASN1(&attribute, asn1.SEQUENCE) || !readOID(&attribute, &kind) ||
				!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
				return false
			}
		}
	}
	if whole != nil {
		*whole = element
	}
	return true
}

// skipAlgorithm reads an AlgorithmIdentifier with any parameters or none.
func skipAlgorithm(s *cryptobyte.String) bool {
	var in, kind, parameters cryptobyte.String
	var tag asn1.Tag
	return s.ReadASN1(&in, asn1.SEQUENCE) && readOID(&in, &kind) &&
		(in.Empty() || in.ReadAnyASN1(&parameters, &tag) && in.Empty())
}

// skipTime reads a Time of either form, whatever it says.
func skipTime(s *cryptobyte.String) bool {
	var content cryptobyte.String
	var tag asn1.Tag
	return s.ReadAnyASN1(&content, &tag) && (tag == asn1.UTCTime || tag == asn1.GeneralizedTime) && !content.Empty()
}

// readBits reads a BIT STRING of whole octets. Bits may be nil.
func readBits(s *cryptobyte.String, bits *[]byte) bool {
	var content []byte
	if !s.ReadASN1BitStringAsBytes(&content) {
		return false
	}
	if bits != nil {
		*bits = content
	}
	return true
}

// keyBits returns what a ResponderID has the hash of.
func keyBits(cert *x509.Certificate) (bits []byte) {
	var key cryptobyte.String
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	if !in.ReadASN1(&key, asn1.SEQUENCE) || !skipAlgorithm(&key) || !readBits(&key, &bits) {
		return nil // cannot be: it has been parsed
	}
	return bits
}
