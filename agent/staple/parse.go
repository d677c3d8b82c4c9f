package staple

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// MaxSize is how many bytes a response may have. Real ones have 0.3 to 8 KiB;
// beyond 64 KiB no server takes one.
const MaxSize = 64 << 10

// response is a successful OCSPResponse with a BasicOCSPResponse in it (RFC
// 6960 section 4.2.1), well-formed to the last byte and no more than that:
// nothing in it has been verified. All slices point into the DER.
type response struct {
	signed     cryptobyte.String // tbsResponseData, as it was signed
	responder  responderID
	producedAt time.Time
	singles    []single
	extensions []extension

	algorithm    algorithmIdentifier
	signature    []byte
	certificates []embedded
	unreadable   int // of the certificates in certs
}

// responderID is a CHOICE: one of the two is set.
type responderID struct {
	name cryptobyte.String // a whole Name
	key  cryptobyte.String // SHA-1 of the responder's public key
}

var (
	tag0 = asn1.Tag(0).ContextSpecific().Constructed()
	tag1 = asn1.Tag(1).ContextSpecific().Constructed()
	tag2 = asn1.Tag(2).ContextSpecific().Constructed()
)

// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1
const oidBasic = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"

// parse reads an OCSPResponse. A well-formed one that carries an error status
// gives ResponderError.
func parse(der []byte) (*response, error) {
	var outer, bytes cryptobyte.String
	var present bool
	var status int
	in := cryptobyte.String(der)
	switch {
	case len(der) > MaxSize:
		return nil, reject(TooLarge, "%d bytes, at most %d are accepted", len(der), MaxSize)
	case len(der) == 0:
		return nil, reject(Malformed, "no bytes at all")
	case !in.ReadASN1(&outer, asn1.SEQUENCE):
		return nil, reject(Malformed, "not an OCSP response: not a DER sequence")
	case !in.Empty():
		return nil, reject(Malformed, "%d bytes after the OCSP response", len(in))
	case !readSmall(&outer, asn1.ENUM, &status),
		!outer.ReadOptionalASN1(&bytes, &present, tag0), !outer.Empty():
		return nil, reject(Malformed, "not an OCSP response")
	}
	if status != 0 {
		name := responderStatus(status)
		switch {
		case name == "":
			return nil, reject(Malformed, "responseStatus %d is not defined", status)
		case present:
			// RFC 6960 section 4.2.1: then responseBytes are not set.
			return nil, reject(Malformed, "responseStatus %s with responseBytes", name)
		}
		return nil, &Error{Reason: ResponderError, Detail: "the responder answered " + name, ResponderStatus: name}
	}
	if !present {
		return nil, reject(Malformed, "responseStatus successful without responseBytes")
	}
	return parseBytes(bytes)
}

// responderStatus names an error status of RFC 6960 section 4.2.1.
func responderStatus(status int) string {
	switch status {
	case 1:
		return "malformedRequest"
	case 2:
		return "internalError"
	case 3:
		return "tryLater"
	case 5:
		return "sigRequired"
	case 6:
		return "unauthorized"
	}
	return "" // 4 is "not used"
}

// parseBytes reads ResponseBytes and the BasicOCSPResponse in them.
func parseBytes(in cryptobyte.String) (*response, error) {
	var bytes, kind, octets, basic, certs cryptobyte.String
	if !in.ReadASN1(&bytes, asn1.SEQUENCE) || !in.Empty() ||
		!readOID(&bytes, &kind) || !bytes.ReadASN1(&octets, asn1.OCTET_STRING) || !bytes.Empty() {
		return nil, reject(Malformed, "bad responseBytes")
	}
	if string(kind) != oidBasic {
		return nil, reject(Malformed, "responseType is not id-pkix-ocsp-basic")
	}
	r := new(response)
	var present bool
	if !octets.ReadASN1(&basic, asn1.SEQUENCE) || !octets.Empty() ||
		!basic.ReadASN1Element(&r.signed, asn1.SEQUENCE) ||
		!readAlgorithm(&basic, &r.algorithm) ||
		!basic.ReadASN1BitStringAsBytes(&r.signature) ||
		!basic.ReadOptionalASN1(&certs, &present, tag0) || !basic.Empty() {
		return nil, reject(Malformed, "bad BasicOCSPResponse")
	}
	if present {
		var list cryptobyte.String
		if !certs.ReadASN1(&list, asn1.SEQUENCE) || !certs.Empty() {
			return nil, reject(Malformed, "bad certs")
		}
		for !list.Empty() {
			var element cryptobyte.String
			if !list.ReadASN1Element(&element, asn1.SEQUENCE) {
				return nil, reject(Malformed, "bad certs")
			}
			// Nothing hangs on a certificate that signed nothing here.
			if cert, ok := readEmbedded(element); ok {
				r.certificates = append(r.certificates, cert)
			} else {
				r.unreadable++
			}
		}
	}
	if err := r.parseData(); err != nil {
		return nil, err
	}
	return r, nil
}

// parseData reads the ResponseData that was signed.
func (r *response) parseData() error {
	var data, version, list cryptobyte.String
	var present bool
	in := r.signed
	if !in.ReadASN1(&data, asn1.SEQUENCE) || !data.ReadOptionalASN1(&version, &present, tag0) {
		return reject(Malformed, "bad ResponseData")
	}
	if present {
		// v1 is the default and DER would leave it out, but responders that
		// write it exist and every client reads them.
		var v int
		if !readSmall(&version, asn1.INTEGER, &v) || !version.Empty() || v != 0 {
			return reject(Malformed, "version is not v1")
		}
	}
	if !r.responder.read(&data) {
		return reject(Malformed, "bad responderID")
	}
	if !readTime(&data, &r.producedAt) {
		return reject(Malformed, "bad producedAt")
	}
	if !data.ReadASN1(&list, asn1.SEQUENCE) {
		return reject(Malformed, "bad responses")
	}
	for !list.Empty() {
		var s single
		if !s.read(&list) {
			return reject(Malformed, "bad SingleResponse %d", len(r.singles)+1)
		}
		r.singles = append(r.singles, s)
	}
	if !readExtensions(&data, tag1, &r.extensions) || !data.Empty() {
		return reject(Malformed, "bad responseExtensions")
	}
	return nil
}

func (id *responderID) read(s *cryptobyte.String) bool {
	var in cryptobyte.String
	if s.PeekASN1Tag(tag1) {
		return s.ReadASN1(&in, tag1) && in.ReadASN1Element(&id.name, asn1.SEQUENCE) && in.Empty()
	}
	const keyHashSize = 20 // SHA-1, whatever the CertIDs use (RFC 6960 section 4.2.1)
	return s.ReadASN1(&in, tag2) && in.ReadASN1(&id.key, asn1.OCTET_STRING) && in.Empty() &&
		len(id.key) == keyHashSize
}
