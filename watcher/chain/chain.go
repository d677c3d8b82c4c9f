// Package chain turns certificate files into a leaf and its issuer. Private
// keys that stand beside them are skipped and never kept.
package chain

import (
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Leaf is what restaple keeps of an end-entity certificate: no more than its
// staple needs, so that a hundred thousand of them fit in memory.
type Leaf struct {
	Fingerprint [sha256.Size]byte // SHA-256 of the certificate's DER
	Serial      string            // content octets of the serial's INTEGER, as they stand in the certificate
	Name        string            // for people: first DNS name, IP address, common name, or the serial
	KeyType     string            // "RSA", "ECDSA" or "Ed25519"
	NotBefore   time.Time
	NotAfter    time.Time
	MustStaple  bool     // RFC 7633: the leaf asks for status_request
	Responders  []string // AIA id-ad-ocsp, in the certificate's order (RFC 5280 section 4.2.2.1)
	CAIssuers   []string // AIA id-ad-caIssuers, likewise
}

// SerialHex returns the serial as people compare it with openssl's output.
func (l *Leaf) SerialHex() string {
	s := strings.ToUpper(hex.EncodeToString([]byte(l.Serial)))
	if len(s) > 2 && strings.HasPrefix(s, "00") {
		s = s[2:] // the sign octet
	}
	return s
}

// Chain is a leaf and the certificate that signed it.
type Chain struct {
	Leaf   *Leaf
	Issuer *Issuer // nil when none of the certificates at hand signed the leaf

	// IssuerFile is the nearest file in which the issuer was found; "" if that
	// is none beside the leaf's own.
	IssuerFile string

	// IssuerErr says what was looked at if Issuer is nil: whether nobody of
	// the issuer's name was there, or one whose key did not sign the leaf.
	IssuerErr error
}

// Issuer is a CA certificate with what a CertID needs of it. It is shared by
// all leaves it signed and must not be changed.
type Issuer struct {
	Certificate *x509.Certificate

	name1, key1     [sha1.Size]byte
	name256, key256 [sha256.Size]byte
}

// NewIssuer computes the CertID hashes of an issuer (RFC 6960 section 4.1.1):
// over its subject as it stands in the certificate, and over the bits of its
// public key without tag, length and unused-bits octet.
func NewIssuer(cert *x509.Certificate) (*Issuer, error) {
	var spki, algorithm cryptobyte.String
	var key []byte
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	if !in.ReadASN1(&spki, asn1.SEQUENCE) || !in.Empty() ||
		!spki.ReadASN1(&algorithm, asn1.SEQUENCE) ||
		!spki.ReadASN1BitStringAsBytes(&key) || !spki.Empty() {
		return nil, fmt.Errorf("issuer %q: malformed public key", cert.Subject)
	}
	return &Issuer{
		Certificate: cert,
		name1:       sha1.Sum(cert.RawSubject),
		key1:        sha1.Sum(key),
		name256:     sha256.Sum256(cert.RawSubject),
		key256:      sha256.Sum256(key),
	}, nil
}

// IDHashes returns issuerNameHash and issuerKeyHash of a CertID. Hashes other
// than SHA-1 and SHA-256 are not in use for CertIDs: ok is false for them.
func (i *Issuer) IDHashes(h crypto.Hash) (name, key []byte, ok bool) {
	switch h {
	case crypto.SHA1:
		return i.name1[:], i.key1[:], true
	case crypto.SHA256:
		return i.name256[:], i.key256[:], true
	}
	return nil, nil, false
}
