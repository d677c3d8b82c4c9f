package responder

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// statusMalformedRequest is the responseStatus of a responder that did not
// understand the request (RFC 6960 section 4.2.1).
const statusMalformedRequest = 1

// outerStatus returns the responseStatus if der has the shape of an
// OCSPResponse. It is no verification: it only tells an answer from a web
// page, so that the other method can be tried.
func outerStatus(der []byte) (status int, ok bool) {
	var response cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&response, cbasn1.SEQUENCE) || !in.Empty() ||
		!response.ReadASN1Enum(&status) ||
		!response.SkipOptionalASN1(explicit(0)) || !response.Empty() {
		return 0, false
	}
	return status, status >= 0
}

// responseNonce returns the nonce in der's responseExtensions. It stands in
// what the responder signed, so it counts once the same bytes are verified.
func responseNonce(der []byte) (nonce []byte, ok bool) {
	var wrapped, basic, tbs, extensions cryptobyte.String
	in := cryptobyte.String(der)
	if !in.ReadASN1(&in, cbasn1.SEQUENCE) ||
		!in.SkipASN1(cbasn1.ENUM) ||
		!in.ReadASN1(&wrapped, explicit(0)) ||
		!wrapped.ReadASN1(&wrapped, cbasn1.SEQUENCE) ||
		!wrapped.SkipASN1(cbasn1.OBJECT_IDENTIFIER) ||
		!wrapped.ReadASN1(&basic, cbasn1.OCTET_STRING) ||
		!basic.ReadASN1(&basic, cbasn1.SEQUENCE) ||
		!basic.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(explicit(0)) { // version
		return nil, false
	}
	var responderID cryptobyte.String
	var tag cbasn1.Tag
	if !tbs.ReadAnyASN1Element(&responderID, &tag) ||
		!tbs.SkipASN1(cbasn1.GeneralizedTime) || // producedAt
		!tbs.SkipASN1(cbasn1.SEQUENCE) || // responses
		!tbs.ReadASN1(&extensions, explicit(1)) ||
		!extensions.ReadASN1(&extensions, cbasn1.SEQUENCE) {
		return nil, false
	}
	for !extensions.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !extensions.ReadASN1(&extension, cbasn1.SEQUENCE) ||
			!extension.ReadASN1ObjectIdentifier(&oid) ||
			!extension.SkipOptionalASN1(cbasn1.BOOLEAN) ||
			!extension.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil, false
		}
		if !oid.Equal(oidNonce) {
			continue
		}
		var inner cryptobyte.String
		if value.ReadASN1(&inner, cbasn1.OCTET_STRING) && value.Empty() {
			return inner, true
		}
		return nil, false
	}
	return nil, false
}

func explicit(n cbasn1.Tag) cbasn1.Tag { return n.ContextSpecific().Constructed() }
