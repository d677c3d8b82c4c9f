package lab

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// KeyPair is a certificate and its private key: whatever can sign a response.
type KeyPair struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// CA signs certificates. Its fields are not changed after it is made, so
// certificates may be issued from several goroutines.
type CA struct {
	KeyPair
	Parent     *CA      // nil for a root
	Responders []string // AIA id-ad-ocsp of what it issues, unless the options say otherwise
	CAIssuers  []string // AIA id-ad-caIssuers, likewise
}

// PKI is a root and the intermediate that issues the leaves.
type PKI struct {
	Root         *CA
	Intermediate *CA
}

// PKIOptions says what a PKI is made of. Its zero value is a good PKI.
type PKIOptions struct {
	Name       string    // distinguishes one PKI from another; "restaple lab" if empty
	KeyType    KeyType   // of both CAs; ECDSA if empty
	NotBefore  time.Time // a day ago if zero
	NotAfter   time.Time // ten years from now if zero
	Responders []string  // AIA id-ad-ocsp of the leaves
	CAIssuers  []string  // AIA id-ad-caIssuers of the leaves
}

const (
	day         = 24 * time.Hour
	caLifetime  = 3650 * day
	caBackdated = day // tests look at yesterday's responses
)

// NewPKI makes a root and an intermediate.
func NewPKI(o PKIOptions) (*PKI, error) {
	if o.Name == "" {
		o.Name = "restaple lab"
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = time.Now().Add(-caBackdated)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = time.Now().Add(caLifetime)
	}
	root, err := NewRoot(IssueOptions{
		CommonName: o.Name + " root", KeyType: o.KeyType,
		NotBefore: o.NotBefore, NotAfter: o.NotAfter,
	})
	if err != nil {
		return nil, err
	}
	intermediate, err := root.NewCA(IssueOptions{
		CommonName: o.Name + " intermediate", KeyType: o.KeyType,
		NotBefore: o.NotBefore, NotAfter: o.NotAfter,
	})
	if err != nil {
		return nil, err
	}
	intermediate.Responders = o.Responders
	intermediate.CAIssuers = o.CAIssuers
	return &PKI{Root: root, Intermediate: intermediate}, nil
}

// NewRoot makes a self-signed CA.
func NewRoot(o IssueOptions) (*CA, error) {
	return newCA(nil, o)
}

// NewCA makes a CA below c. Issue with IsCA makes a mere certificate.
func (c *CA) NewCA(o IssueOptions) (*CA, error) {
	return newCA(c, o)
}

func newCA(parent *CA, o IssueOptions) (*CA, error) {
	o.IsCA = true
	if o.Responders == nil {
		o.Responders = []string{}
	}
	issued, err := issue(parent, o)
	if err != nil {
		return nil, err
	}
	return &CA{KeyPair: issued.KeyPair, Parent: parent}, nil
}

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

// Issue makes a certificate signed by c.
func (c *CA) Issue(o IssueOptions) (*Issued, error) {
	return issue(c, o)
}

func issue(c *CA, o IssueOptions) (*Issued, error) {
	key := o.Key
	if key == nil {
		var err error
		if key, err = NewKey(o.KeyType); err != nil {
			return nil, err
		}
	}
	template, err := newTemplate(c, o)
	if err != nil {
		return nil, err
	}
	parent, signer := template, key
	if c != nil {
		parent, signer = c.Certificate, c.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %q: %w", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %q: %w", template.Subject.CommonName, err)
	}
	return &Issued{KeyPair: KeyPair{Certificate: cert, Key: key}, Issuer: c}, nil
}

func newTemplate(c *CA, o IssueOptions) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber:          o.Serial,
		NotBefore:             o.NotBefore,
		NotAfter:              o.NotAfter,
		OCSPServer:            o.Responders,
		IssuingCertificateURL: o.CAIssuers,
	}
	if t.SerialNumber == nil {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
		if err != nil {
			return nil, fmt.Errorf("make serial: %w", err)
		}
		t.SerialNumber = serial.Add(serial, big.NewInt(1)) // zero is no serial
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
