package lab

import (
	"crypto/x509"
	"fmt"
	"sync"
	"time"
)

// oddSigner names a delegate that no client must believe.
type oddSigner int

const (
	withoutUsage oddSigner = iota
	ended
	foreign
)

// oddSigners makes such delegates when they are first wanted.
type oddSigners struct {
	ca *CA

	mu     sync.Mutex
	other  *CA
	issued map[oddSigner]*Issued
}

func (o *oddSigners) get(which oddSigner) (*Issued, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if signer := o.issued[which]; signer != nil {
		return signer, nil
	}
	signer, err := o.issue(which)
	if err != nil {
		return nil, fmt.Errorf("make odd delegate: %w", err)
	}
	if o.issued == nil {
		o.issued = make(map[oddSigner]*Issued)
	}
	o.issued[which] = signer
	return signer, nil
}

func (o *oddSigners) issue(which oddSigner) (*Issued, error) {
	options := IssueOptions{
		CommonName: "odd delegate", KeyType: keyTypeOf(o.ca.Key), OCSPSigning: true, NoCheck: true,
		Responders: []string{}, CAIssuers: []string{},
	}
	switch which {
	case withoutUsage:
		options.OCSPSigning = false
	case ended:
		options.NotBefore = time.Now().Add(-2 * day)
		options.NotAfter = time.Now().Add(-day)
	case foreign:
		other, err := o.strangerLocked()
		if err != nil {
			return nil, err
		}
		return other.Issue(options)
	}
	return o.ca.Issue(options)
}

// stranger returns another CA with the same name and another key.
func (o *oddSigners) stranger() (*CA, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.strangerLocked()
}

func (o *oddSigners) strangerLocked() (*CA, error) {
	if o.other != nil {
		return o.other, nil
	}
	other, err := NewRoot(IssueOptions{
		KeyType: keyTypeOf(o.ca.Key),
		Change:  func(t *x509.Certificate) { t.RawSubject = o.ca.Certificate.RawSubject },
	})
	if err != nil {
		return nil, fmt.Errorf("make CA of the same name: %w", err)
	}
	o.other = other
	return other, nil
}
