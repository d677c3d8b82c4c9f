package lab

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

var (
	oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
	oidNoCheck    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
)

// IssueOptions says what a certificate is to contain. The zero value of each
// field is the ordinary thing; Change makes what no field makes.
type IssueOptions struct {
	Names       []string      // DNS names and IP addresses
	CommonName  string        // the first name if empty
	KeyType     KeyType       // ECDSA if empty
	Key         crypto.Signer // this key instead of a new one: issues thousands a second
	Serial      *big.Int      // random if nil
	NotBefore   time.Time     // an hour ago if zero
	NotAfter    time.Time     // 90 days from now, or the CA's end, if zero
	Responders  []string      // AIA id-ad-ocsp; nil: the CA's; empty: none
	CAIssuers   []string      // AIA id-ad-caIssuers; nil: the CA's; empty: none
	MustStaple  bool          // RFC 7633
	OCSPSigning bool          // a delegated responder: id-kp-OCSPSigning alone (RFC 6960 section 4.2.2.2)
	NoCheck     bool          // id-pkix-ocsp-nocheck (RFC 6960 section 4.2.2.2.1)
	IsCA        bool

	// Change is called with the template last of all.
	Change func(*x509.Certificate)
}

const (
	leafLifetime  = 90 * day
	leafBackdated = time.Hour // clocks differ
)

func newTemplate(c *CA, o IssueOptions) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber:          o.Serial,
		NotBefore:             o.NotBefore,
		NotAfter:              o.NotAfter,
		OCSPServer:            o.Responders,
		IssuingCertificateURL: o.CAIssuers,
	}
	if t.SerialNumber == nil {
		var err error
		if t.SerialNumber, err = newSerial(); err != nil {
			return nil, err
		}
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = time.Now().Add(-leafBackdated)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = time.Now().Add(leafLifetime)
		if c != nil && c.Certificate.NotAfter.Before(t.NotAfter) {
			t.NotAfter = c.Certificate.NotAfter
		}
	}
	if c != nil && o.Responders == nil {
		t.OCSPServer = c.Responders
	}
	if c != nil && o.CAIssuers == nil {
		t.IssuingCertificateURL = c.CAIssuers
	}
	t.DNSNames, t.IPAddresses = splitNames(o.Names)
	t.Subject.CommonName = o.CommonName
	if o.CommonName == "" && len(o.Names) > 0 {
		t.Subject.CommonName = o.Names[0]
	}
	setUsage(t, o)
	if o.MustStaple {
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{
			Id: oidTLSFeature, Value: []byte{0x30, 0x03, 0x02, 0x01, 0x05},
		})
	}
	if o.NoCheck {
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{
			Id: oidNoCheck, Value: []byte{0x05, 0x00},
		})
	}
	if o.Change != nil {
		o.Change(t)
	}
	return t, nil
}

// serialBits leaves the sign bit of a 16-octet serial clear.
const serialBits = 127

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return nil, fmt.Errorf("make serial: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil // zero is no serial
}

func setUsage(t *x509.Certificate, o IssueOptions) {
	t.BasicConstraintsValid = true
	switch {
	case o.IsCA:
		t.IsCA = true
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	case o.OCSPSigning:
		t.KeyUsage = x509.KeyUsageDigitalSignature
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	default:
		t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
}
