package chain

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// search is one search for the issuer of one leaf.
type search struct {
	leaf   *x509.Certificate
	now    time.Time
	shared *sharedIssuers

	found    *Issuer
	file     string   // where it was found first; "": in no file of the chain's own
	places   []string // looked at in vain
	namesake []string // where a CA of that name is whose key did not sign
	doubt    error    // why nobody can tell whether one of them did
	trouble  error
}

// inFile is in for a file near the leaf's.
func (s *search) inFile(path string, sketches []*sketch) bool {
	first := s.found == nil
	over := s.in(filepath.Base(path), sketches)
	if first && s.found != nil {
		s.file = path
	}
	return over
}

// in looks among the certificates of one place and reports whether the search
// is over.
func (s *search) in(place string, sketches []*sketch) bool {
	var certs []*x509.Certificate
	var issuers []*Issuer
	for _, c := range sketches {
		if !bytes.Equal(c.subject, s.leaf.RawIssuer) {
			continue
		}
		issuer, err := s.shared.get(c)
		if err != nil {
			s.note(place, err)
			continue
		}
		certs, issuers = append(certs, issuer.Certificate), append(issuers, issuer)
	}
	best := FindIssuer(s.leaf, certs, s.now)
	for i, cert := range certs {
		if cert == best && (s.found == nil || preferred(cert, s.found.Certificate, s.now)) {
			s.found = issuers[i]
		}
	}
	s.places = append(s.places, place)
	if best == nil && len(certs) > 0 {
		s.namesake = append(s.namesake, place)
		for _, cert := range certs {
			s.doubt = cmp.Or(s.doubt, uncheckable(cert, s.leaf))
		}
	}
	return s.found != nil && validAt(s.found.Certificate, s.now)
}

func (s *search) note(place string, err error) {
	if err != nil && !errors.Is(err, ErrNotChain) {
		s.trouble = errors.Join(s.trouble, fmt.Errorf("%s: %w", place, pathless(err)))
	}
}

func (s *search) failure() error {
	var err error
	if s.doubt != nil {
		err = fmt.Errorf("nobody can tell whether the certificate of %q in %s signed it: %w",
			s.leaf.Issuer, strings.Join(s.namesake, ", "), s.doubt)
	} else if len(s.namesake) > 0 {
		err = fmt.Errorf("the certificate of %q in %s did not sign it: same name, other key",
			s.leaf.Issuer, strings.Join(s.namesake, ", "))
	} else {
		err = fmt.Errorf("no certificate of %q in %s", s.leaf.Issuer, strings.Join(s.places, ", "))
	}
	if s.trouble != nil {
		return fmt.Errorf("%w (%w)", err, s.trouble)
	}
	return err
}
