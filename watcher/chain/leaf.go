package chain

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// NewLeaf takes what a staple needs out of a certificate. The error says that
// the TLS feature extension is malformed.
func NewLeaf(cert *x509.Certificate) (*Leaf, error) {
	serial, err := serialOctets(cert.RawTBSCertificate)
	if err != nil {
		return nil, err
	}
	mustStaple, err := mustStaple(cert)
	if err != nil {
		return nil, err
	}
	leaf := &Leaf{
		Fingerprint: sha256.Sum256(cert.Raw),
		Serial:      serial,
		KeyType:     keyType(cert.PublicKeyAlgorithm),
		NotBefore:   cert.NotBefore,
		NotAfter:    cert.NotAfter,
		MustStaple:  mustStaple,
		Responders:  urls(cert.OCSPServer),
		CAIssuers:   urls(cert.IssuingCertificateURL),
	}
	leaf.Name = name(cert, leaf)
	return leaf, nil
}

func keyType(a x509.PublicKeyAlgorithm) string {
	if a == x509.UnknownPublicKeyAlgorithm {
		return "unknown" // String would say "0"
	}
	return a.String()
}

// serialOctets returns the serial as it is encoded: a CertID has to repeat it
// so, and not as big.Int would write it again.
func serialOctets(rawTBS []byte) (string, error) {
	var tbs, serial cryptobyte.String
	in := cryptobyte.String(rawTBS)
	if !in.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!tbs.SkipOptionalASN1(asn1.Tag(0).ContextSpecific().Constructed()) ||
		!tbs.ReadASN1(&serial, asn1.INTEGER) || len(serial) == 0 {
		return "", errors.New("malformed serial number")
	}
	return string(serial), nil
}

// mustStaple reads the TLS feature extension, 1.3.6.1.5.5.7.1.24: a SEQUENCE
// OF INTEGER (RFC 7633 section 4.1). In a CA certificate it only limits what
// its leaves may say, so the leaf's own is the one that counts.
func mustStaple(cert *x509.Certificate) (bool, error) {
	const statusRequest = 5 // the TLS extension a must-staple leaf names
	found := false
	for _, extension := range cert.Extensions {
		if !extension.Id.Equal([]int{1, 3, 6, 1, 5, 5, 7, 1, 24}) {
			continue
		}
		var features cryptobyte.String
		value := cryptobyte.String(extension.Value)
		if !value.ReadASN1(&features, asn1.SEQUENCE) || !value.Empty() {
			return false, errors.New("malformed TLS feature extension (RFC 7633)")
		}
		for !features.Empty() {
			var feature int64
			if !features.ReadASN1Integer(&feature) {
				return false, errors.New("malformed TLS feature extension (RFC 7633)")
			}
			found = found || feature == statusRequest
		}
	}
	return found, nil
}

// maxURLs is how many URLs of a kind count. CAs name one or two; all of a
// certificate with a thousand would be asked in each round.
const maxURLs = 10

// urls drops what cannot be a URL, so that "none" is an empty list, and what is
// there twice.
func urls(in []string) []string {
	var out []string
	for _, u := range in {
		if u = strings.TrimSpace(u); u != "" && len(out) < maxURLs && !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// name picks what people call the certificate. It goes to terminals and logs
// and comes from whoever wrote the file, so nothing unprintable stays in it.
func name(cert *x509.Certificate, leaf *Leaf) string {
	n := cert.Subject.CommonName
	switch {
	case len(cert.DNSNames) > 0 && cert.DNSNames[0] != "":
		n = cert.DNSNames[0]
	case len(cert.IPAddresses) > 0:
		n = cert.IPAddresses[0].String()
	}
	n = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, n)
	const longest = 253 // a DNS name in text form, RFC 1035 section 2.3.4
	if runes := []rune(n); len(runes) > longest {
		n = string(runes[:longest])
	}
	if n == "" {
		return fmt.Sprintf("serial %s", leaf.SerialHex())
	}
	return n
}
