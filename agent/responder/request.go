package responder

import (
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/restaple/restaple/watcher/chain"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// nonceSize is what a client must send (RFC 9654 section 2.1).
const nonceSize = 32

var (
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidNonce  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
)

// encodeRequest makes an OCSPRequest with one CertID and nothing else that is
// optional but the nonce, if there is one (RFC 9919 section 3.1). It is not
// x/crypto/ocsp's: that takes the serial as a number, and the CA may have
// written it in other octets; and it knows no nonce.
func encodeRequest(c *chain.Chain, hash crypto.Hash, nonce []byte) ([]byte, error) {
	if hash == 0 {
		// Nearly every responder with answers made beforehand has them
		// under SHA-1 only, and servers look staples up by it.
		hash = crypto.SHA1
	}
	if c == nil || c.Leaf == nil || c.Issuer == nil {
		return nil, errors.New("a request needs a leaf and its issuer")
	}
	if c.Leaf.Serial == "" {
		return nil, errors.New("the leaf has no serial")
	}
	name, key, ok := c.Issuer.IDHashes(hash)
	if !ok {
		return nil, fmt.Errorf("no CertID with %v: only SHA-1 and SHA-256 are in use", hash)
	}
	oid := oidSHA1
	if hash == crypto.SHA256 {
		oid = oidSHA256
	}

	b := cryptobyte.NewBuilder(make([]byte, 0, 192))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // OCSPRequest
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // TBSRequest, version v1 left out
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // requestList
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // Request
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // CertID
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(oid)
							// Absent would be as right, and is refused by some.
							b.AddASN1NULL()
						})
						b.AddASN1OctetString(name)
						b.AddASN1OctetString(key)
						b.AddASN1(cbasn1.INTEGER, func(b *cryptobyte.Builder) {
							b.AddBytes([]byte(c.Leaf.Serial))
						})
					})
				})
			})
			if nonce != nil {
				addNonce(b, nonce)
			}
		})
	})
	return b.Bytes()
}

// addNonce adds requestExtensions with a nonce. The extension's value is an
// OCTET STRING in the OCTET STRING every extension has (RFC 9654 section 2.1).
func addNonce(b *cryptobyte.Builder, nonce []byte) {
	b.AddASN1(cbasn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidNonce)
				b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1OctetString(nonce)
				})
			})
		})
	})
}
