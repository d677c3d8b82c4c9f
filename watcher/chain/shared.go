package chain

import (
	"crypto/sha256"
	"crypto/x509"
	"runtime"
	"strings"
	"sync"
	"weak"
)

// sharedIssuers makes equal certificates one Issuer for as long as a chain
// holds it. Ten thousand leaves have a handful of issuers.
type sharedIssuers struct {
	mu sync.Mutex
	by map[[sha256.Size]byte]weak.Pointer[Issuer]
}

func (s *sharedIssuers) get(c *sketch) (*Issuer, error) {
	if issuer := s.lookup(c.sum); issuer != nil {
		return issuer, nil
	}
	cert := c.parsed
	if cert == nil {
		// Not c.certificate: several goroutines may hold the sketch.
		var err error
		if cert, err = x509.ParseCertificate(c.der); err != nil {
			return nil, err
		}
	}
	issuer, err := NewIssuer(cert)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.by[c.sum].Value(); other != nil {
		return other, nil // another Load was faster
	}
	if s.by == nil {
		s.by = make(map[[sha256.Size]byte]weak.Pointer[Issuer])
	}
	s.by[c.sum] = weak.Make(issuer)
	runtime.AddCleanup(issuer, s.drop, c.sum)
	return issuer, nil
}

func (s *sharedIssuers) lookup(sum [sha256.Size]byte) *Issuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[sum].Value()
}

func (s *sharedIssuers) drop(sum [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[sum].Value() == nil {
		delete(s.by, sum)
	}
}

// texts makes equal URL lists one list. A CA writes the same into each leaf.
type texts struct {
	mu    sync.Mutex
	lists map[string][]string
}

// maxTexts is the number of lists kept: far more than there are CAs, and a CA
// that writes another URL into each leaf fills no memory.
const maxTexts = 4096

func (t *texts) share(leaf *Leaf) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lists == nil {
		t.lists = make(map[string][]string)
	}
	for _, list := range []*[]string{&leaf.Responders, &leaf.CAIssuers} {
		if len(*list) == 0 {
			continue
		}
		key := strings.Join(*list, "\x00")
		if known, ok := t.lists[key]; ok {
			*list = known
		} else if len(t.lists) < maxTexts {
			t.lists[key] = *list
		}
	}
}
