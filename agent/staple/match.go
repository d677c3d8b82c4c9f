package staple

import (
	"crypto"

	"golang.org/x/crypto/cryptobyte"

	"github.com/restaple/restaple/watcher/chain"
)

// matching returns the SingleResponses about the leaf: known hash, and name
// hash, key hash and serial all equal (RFC 6960 section 4.1.1). Serials are
// compared by their octets, so a sign octet too few or too many is another
// serial.
func (r *response) matching(c *chain.Chain) ([]single, error) {
	var ours []single
	sameSerial := false
	for _, s := range r.singles {
		if string(s.id.serial) != c.Leaf.Serial {
			continue
		}
		sameSerial = true
		name, key, ok := idHashes(c.Issuer, hashOf(s.id.hash))
		if ok && string(s.id.nameHash) == string(name) && string(s.id.keyHash) == string(key) {
			ours = append(ours, s)
		}
	}
	switch {
	case len(ours) > 0:
		return ours, nil
	case len(r.singles) == 0:
		return nil, reject(NoMatch, "the response is about no certificate at all")
	case sameSerial:
		return nil, reject(NoMatch, "the response is about serial %s, but of another issuer than %q, or with an unknown CertID hash",
			c.Leaf.SerialHex(), c.Issuer.Certificate.Subject)
	}
	return nil, reject(NoMatch, "the response is about serial %s, not %s", serialHex(r.singles[0].id.serial), c.Leaf.SerialHex())
}

func serialHex(serial cryptobyte.String) string {
	leaf := chain.Leaf{Serial: string(serial)}
	return leaf.SerialHex()
}

// idHashes returns issuerNameHash and issuerKeyHash. Beside the two that are
// in use it knows SHA-384 and SHA-512, which RFC 6960 allows as much.
func idHashes(issuer *chain.Issuer, h crypto.Hash) (name, key []byte, ok bool) {
	if name, key, ok = issuer.IDHashes(h); ok || h == 0 {
		return name, key, ok
	}
	return digest(h, issuer.Certificate.RawSubject), digest(h, keyBits(issuer.Certificate)), true
}
