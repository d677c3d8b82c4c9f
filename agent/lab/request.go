package lab

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// certID names one certificate in a request.
type certID struct {
	hash      crypto.Hash // 0: one that CertIDs do not use
	name, key []byte
	serial    *big.Int
}

// request is what the responder reads of an OCSPRequest.
type request struct {
	ids   []certID
	nonce []byte // the nonce's octets; nil if there is none
}

var (
	oidNonce   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	errRequest = errors.New("malformed OCSP request")
)

// maxNonce is the longest nonce a responder takes (RFC 9654 section 2.1).
const maxNonce = 128

// parseRequest reads an OCSPRequest (RFC 6960 section 4.1.1). Its signature,
// if any, is not looked at.
func parseRequest(der []byte) (request, error) {
	in := cryptobyte.String(der)
	var outer, tbs, list, extensions cryptobyte.String
	var hasExtensions bool
	if !in.ReadASN1(&outer, cbasn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!outer.SkipOptionalASN1(explicit(0)) || !outer.Empty() ||
		!tbs.SkipOptionalASN1(explicit(0)) || // version
		!tbs.SkipOptionalASN1(explicit(1)) || // requestorName
		!tbs.ReadASN1(&list, cbasn1.SEQUENCE) || list.Empty() ||
		!tbs.ReadOptionalASN1(&extensions, &hasExtensions, explicit(2)) || !tbs.Empty() {
		return request{}, errRequest
	}
	var q request
	for !list.Empty() {
		id, ok := readID(&list)
		if !ok {
			return request{}, errRequest
		}
		q.ids = append(q.ids, id)
	}
	if hasExtensions {
		var ok bool
		if q.nonce, ok = readNonce(extensions); !ok {
			return request{}, errRequest
		}
	}
	return q, nil
}

func readID(list *cryptobyte.String) (certID, bool) {
	var single, id, algorithm cryptobyte.String
	var oid asn1.ObjectIdentifier
	c := certID{serial: new(big.Int)}
	if !list.ReadASN1(&single, cbasn1.SEQUENCE) ||
		!single.ReadASN1(&id, cbasn1.SEQUENCE) ||
		!single.SkipOptionalASN1(explicit(0)) || !single.Empty() ||
		!id.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!id.ReadASN1Bytes(&c.name, cbasn1.OCTET_STRING) ||
		!id.ReadASN1Bytes(&c.key, cbasn1.OCTET_STRING) ||
		!id.ReadASN1Integer(c.serial) || !id.Empty() {
		return certID{}, false
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if hashOID(h).Equal(oid) {
			c.hash = h
		}
	}
	return c, true
}

// readNonce looks for the nonce among the requestExtensions. No nonce is no
// error.
func readNonce(extensions cryptobyte.String) (nonce []byte, ok bool) {
	var list cryptobyte.String
	if !extensions.ReadASN1(&list, cbasn1.SEQUENCE) || !extensions.Empty() {
		return nil, false
	}
	for !list.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1(&extension, cbasn1.SEQUENCE) ||
			!extension.ReadASN1ObjectIdentifier(&oid) ||
			!extension.SkipOptionalASN1(cbasn1.BOOLEAN) ||
			!extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return nil, false
		}
		if !oid.Equal(oidNonce) {
			continue
		}
		if !value.ReadASN1Bytes(&nonce, cbasn1.OCTET_STRING) || !value.Empty() ||
			len(nonce) == 0 || len(nonce) > maxNonce {
			return nil, false
		}
	}
	return nonce, true
}
