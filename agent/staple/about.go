package staple

import (
	"crypto/x509"
	"time"

	"github.com/restaple/restaple/watcher/chain"
)

// About looks at a response for a leaf whose issuer nobody could find. It
// returns an *Error if the response cannot be a staple of the leaf whoever the
// issuer is: it is not well-formed, or about another serial or an issuer of
// another name. Otherwise it may be one, which is far from verified, and
// certainly is none after ends.
func About(der []byte, cert *x509.Certificate) (this, ends time.Time, err error) {
	r, err := parse(der)
	if err != nil {
		return this, ends, err
	}
	leaf, err := chain.NewLeaf(cert)
	if err != nil {
		return this, ends, reject(NoMatch, "%v", err)
	}
	for _, s := range r.singles {
		h := hashOf(s.id.hash)
		if string(s.id.serial) != leaf.Serial || h != 0 && string(s.id.nameHash) != string(digest(h, cert.RawIssuer)) {
			continue
		}
		if end := s.end(); end.After(ends) {
			this, ends = s.thisUpdate, end
		}
	}
	if ends.IsZero() {
		return this, ends, reject(NoMatch, "the response is not about serial %s of %q", leaf.SerialHex(), cert.Issuer)
	}
	return this, ends, nil
}
