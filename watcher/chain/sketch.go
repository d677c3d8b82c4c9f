package chain

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// sketch is a certificate of which only so much has been read as it takes to
// tell leaf from issuer. To parse the same few intermediates a hundred
// thousand times would be most of the work of a start.
type sketch struct {
	der     []byte
	sum     [sha256.Size]byte
	issuer  []byte // RawIssuer
	subject []byte // RawSubject
	ca      bool   // basicConstraints say CA:TRUE
	parsed  *x509.Certificate
}

var errNotCertificate = errors.New("not an X.509 certificate")

// readSketch reads the outline of RFC 5280 section 4.1. The bytes are not
// copied.
func readSketch(der []byte) (*sketch, error) {
	var (
		outer, tbs, issuer, subject, extensions cryptobyte.String
		hasExtensions                           bool

		in        = cryptobyte.String(der)
		version   = asn1.Tag(0).ContextSpecific().Constructed()
		issuerID  = asn1.Tag(1).ContextSpecific()
		subjectID = asn1.Tag(2).ContextSpecific()
		extTag    = asn1.Tag(3).ContextSpecific().Constructed()
	)
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !in.Empty() ||
		!outer.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(version) ||
		!tbs.SkipASN1(asn1.INTEGER) ||
		!tbs.SkipASN1(asn1.SEQUENCE) || // signature algorithm
		!tbs.ReadASN1Element(&issuer, asn1.SEQUENCE) ||
		!tbs.SkipASN1(asn1.SEQUENCE) || // validity
		!tbs.ReadASN1Element(&subject, asn1.SEQUENCE) ||
		!tbs.SkipASN1(asn1.SEQUENCE) || // public key
		!tbs.SkipOptionalASN1(issuerID) ||
		!tbs.SkipOptionalASN1(subjectID) ||
		!tbs.ReadOptionalASN1(&extensions, &hasExtensions, extTag) {
		return nil, errNotCertificate
	}
	s := &sketch{der: der, sum: sha256.Sum256(der), issuer: issuer, subject: subject}
	if hasExtensions {
		ca, ok := readCA(extensions)
		if !ok {
			return nil, errNotCertificate
		}
		s.ca = ca
	}
	return s, nil
}

// readCA finds basicConstraints (RFC 5280 section 4.2.1.9).
func readCA(extensions cryptobyte.String) (ca, ok bool) {
	var list cryptobyte.String
	if !extensions.ReadASN1(&list, asn1.SEQUENCE) {
		return false, false
	}
	for !list.Empty() {
		var extension, id, value, constraints cryptobyte.String
		if !list.ReadASN1(&extension, asn1.SEQUENCE) ||
			!extension.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
			!extension.SkipOptionalASN1(asn1.BOOLEAN) || // critical
			!extension.ReadASN1(&value, asn1.OCTET_STRING) {
			return false, false
		}
		if !bytes.Equal(id, []byte{0x55, 0x1d, 0x13}) {
			continue
		}
		if !value.ReadASN1(&constraints, asn1.SEQUENCE) {
			return false, false
		}
		// ReadOptionalASN1Boolean is for booleans inside a tag of their own.
		if constraints.PeekASN1Tag(asn1.BOOLEAN) && !constraints.ReadASN1Boolean(&ca) {
			return false, false
		}
	}
	return ca, true
}

// sketchOf takes what it needs from a certificate that is already parsed.
func sketchOf(cert *x509.Certificate) *sketch {
	return &sketch{
		der: cert.Raw, sum: sha256.Sum256(cert.Raw),
		issuer: cert.RawIssuer, subject: cert.RawSubject,
		ca: cert.BasicConstraintsValid && cert.IsCA, parsed: cert,
	}
}

// certificate parses the whole certificate, once. It is for the one goroutine
// that made the sketch.
func (s *sketch) certificate() (*x509.Certificate, error) {
	if s.parsed != nil {
		return s.parsed, nil
	}
	cert, err := x509.ParseCertificate(s.der)
	if err != nil {
		return nil, err
	}
	s.parsed = cert
	return cert, nil
}
