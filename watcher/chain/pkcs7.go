package chain

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ParsePKCS7 returns the certificates of a certs-only CMS message, the .p7c
// files that an AIA caIssuers URL may lead to (RFC 5280 section 4.2.2.1, RFC
// 5652 section 5.1). Signatures in it are not looked at: what the certificates
// are good for, only the signature on the leaf can tell.
func ParsePKCS7(der []byte) ([]*x509.Certificate, error) {
	ders, err := splitPKCS7(der)
	if err != nil {
		return nil, err
	}
	certs := make([]*x509.Certificate, 0, len(ders))
	for i, der := range ders {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("PKCS#7: certificate %d: %w", i+1, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

var errNotPKCS7 = errors.New("not a PKCS#7 message with certificates")

func splitPKCS7(der []byte) ([][]byte, error) {
	var (
		info, id, wrapped, signed, certs cryptobyte.String
		present                          bool

		in           = cryptobyte.String(der)
		contentTag   = asn1.Tag(0).ContextSpecific().Constructed() // [0] EXPLICIT content
		certsTag     = asn1.Tag(0).ContextSpecific().Constructed() // [0] IMPLICIT certificates
		signedDataID = []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}
	)
	if !in.ReadASN1(&info, asn1.SEQUENCE) || !in.Empty() ||
		!info.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) || !bytes.Equal(id, signedDataID) ||
		!info.ReadASN1(&wrapped, contentTag) || !info.Empty() ||
		!wrapped.ReadASN1(&signed, asn1.SEQUENCE) || !wrapped.Empty() ||
		!signed.SkipASN1(asn1.INTEGER) || // version
		!signed.SkipASN1(asn1.SET) || // digest algorithms
		!signed.SkipASN1(asn1.SEQUENCE) || // what was signed
		!signed.ReadOptionalASN1(&certs, &present, certsTag) || !present {
		return nil, errNotPKCS7
	}
	var ders [][]byte
	for !certs.Empty() {
		var element cryptobyte.String
		var tag asn1.Tag
		if !certs.ReadAnyASN1Element(&element, &tag) {
			return nil, errNotPKCS7
		}
		if tag == asn1.SEQUENCE { // the other choices are attribute certificates
			ders = append(ders, bytes.Clone(element))
		}
	}
	if len(ders) == 0 {
		return nil, errNotPKCS7
	}
	return ders, nil
}

// splitIssuers is split for files that only hold issuers: there the formats of
// caIssuers are welcome too.
func splitIssuers(in []byte) ([][]byte, error) {
	ders, err := split(in)
	if !errors.Is(err, ErrNotChain) {
		return ders, err
	}
	if isDER(in) {
		if ders, pkcs7Err := splitPKCS7(in); pkcs7Err == nil {
			return ders, nil
		}
		return nil, err
	}
	for blocks := (pemBlocks{rest: in, fresh: true}); blocks.next(); {
		switch string(blocks.label) {
		case "PKCS7", "CMS", "PKCS #7 SIGNED DATA":
			der, decodeErr := blocks.decode()
			if decodeErr != nil {
				return nil, decodeErr
			}
			return splitPKCS7(der)
		}
	}
	return nil, err
}
