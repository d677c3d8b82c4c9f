package lab

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
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
