package staple

import (
	"crypto/sha256"
	"sync"

	"github.com/restaple/restaple/watcher/chain"
)

// maxSigners bounds the memo of a Verifier. A CA has one or two responders at
// a time.
const maxSigners = 1024

// Verifier verifies like the function Verify, but remembers the responders
// that issuers have authorized: all leaves of an issuer usually share one,
// and checking its certificate costs as much as checking the response. What
// depends on the time is checked each time. It is safe for concurrent use.
type Verifier struct {
	options Options

	mu      sync.Mutex
	signers map[signerKey]*signer // nil: nothing is remembered
}

// NewVerifier makes a Verifier that verifies with these options.
func NewVerifier(o Options) *Verifier {
	return &Verifier{options: o, signers: make(map[signerKey]*signer)}
}

// signerKey is an issuer and the SHA-256 of a certificate that it issued, or
// zero for the issuer itself. The pointer is as good as the certificate:
// issuers are shared and never change.
type signerKey struct {
	issuer      *chain.Issuer
	certificate [sha256.Size]byte
}

// issuer returns the issuer as a signer.
func (v *Verifier) issuer(issuer *chain.Issuer) *signer {
	key := signerKey{issuer: issuer}
	if s := v.recall(key); s != nil {
		return s
	}
	s := &signer{name: subjectOf(issuer.Certificate), public: issuer.Certificate.PublicKey}
	v.remember(key, s)
	return s
}

// delegate returns an embedded certificate as a signer, if the issuer
// authorized it. Refusals are not remembered: anybody can send those.
func (v *Verifier) delegate(der []byte, issuer *chain.Issuer) (*signer, error) {
	key := signerKey{issuer, sha256.Sum256(der)}
	if s := v.recall(key); s != nil {
		return s, nil
	}
	s, err := newDelegate(der, issuer, v.options.Strict)
	if err != nil {
		return nil, err
	}
	v.remember(key, s)
	return s, nil
}

func (v *Verifier) recall(key signerKey) *signer {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.signers[key]
}

func (v *Verifier) remember(key signerKey, s *signer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.signers == nil {
		return
	}
	if len(v.signers) >= maxSigners {
		clear(v.signers) // rare, and cheaper than keeping track of ages
	}
	v.signers[key] = s
}
