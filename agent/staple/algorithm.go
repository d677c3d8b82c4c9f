package staple

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// family is what an algorithm does with the digest.
type family int

const (
	pkcs1   family = iota + 1 // RSASSA-PKCS1-v1_5
	pss                       // RSASSA-PSS
	ec                        // ECDSA
	edwards                   // Ed25519: no digest of its own
)

// algorithm is a signature algorithm that is accepted.
type algorithm struct {
	family family
	hash   crypto.Hash
	salt   int // octets; RSASSA-PSS only
}

// algorithms are the signature algorithms of RFC 3279, 4055, 5758 and 8410
// that are accepted, by the octets of their identifiers. SHA-1 is among them
// for the sake of AD CS; Options.Strict refuses it.
var algorithms = map[string]algorithm{
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05": {family: pkcs1, hash: crypto.SHA1},
	"\x2b\x0e\x03\x02\x1d":                 {family: pkcs1, hash: crypto.SHA1}, // OIW's name for it, which Microsoft used
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e": {family: pkcs1, hash: crypto.SHA224},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b": {family: pkcs1, hash: crypto.SHA256},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c": {family: pkcs1, hash: crypto.SHA384},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d": {family: pkcs1, hash: crypto.SHA512},
	"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a": {family: pss},
	"\x2a\x86\x48\xce\x3d\x04\x01":         {family: ec, hash: crypto.SHA1},
	"\x2a\x86\x48\xce\x3d\x04\x03\x01":     {family: ec, hash: crypto.SHA224},
	"\x2a\x86\x48\xce\x3d\x04\x03\x02":     {family: ec, hash: crypto.SHA256},
	"\x2a\x86\x48\xce\x3d\x04\x03\x03":     {family: ec, hash: crypto.SHA384},
	"\x2a\x86\x48\xce\x3d\x04\x03\x04":     {family: ec, hash: crypto.SHA512},
	"\x2b\x65\x70":                         {family: edwards},
}

// hashOf knows the hashes of RSASSA-PSS and of CertIDs by the octets of their
// identifiers. It returns 0 for others, MD5 among them.
func hashOf(oid cryptobyte.String) crypto.Hash {
	switch string(oid) {
	case "\x2b\x0e\x03\x02\x1a":
		return crypto.SHA1
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x04":
		return crypto.SHA224
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x01":
		return crypto.SHA256
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x02":
		return crypto.SHA384
	case "\x60\x86\x48\x01\x65\x03\x04\x02\x03":
		return crypto.SHA512
	}
	return 0
}

// signatureAlgorithm returns the algorithm that an identifier names.
func signatureAlgorithm(id algorithmIdentifier) (algorithm, error) {
	a, ok := algorithms[string(id.oid)]
	if !ok {
		return a, reject(WeakAlgorithm, "signature algorithm %s is unknown or broken", dotted(id.oid))
	}
	switch a.family {
	case pss:
		return pssAlgorithm(id.parameters)
	case pkcs1:
		if !id.plain() {
			return a, reject(Malformed, "signatureAlgorithm has parameters")
		}
	default:
		// RFC 5758 section 3.2 and RFC 8410 section 3: not even a NULL.
		if len(id.parameters) > 0 {
			return a, reject(Malformed, "signatureAlgorithm has parameters")
		}
	}
	return a, nil
}

// pssAlgorithm reads RSASSA-PSS-params (RFC 4055 section 3.1). Values that
// are the defaults may be written out there.
func pssAlgorithm(in cryptobyte.String) (algorithm, error) {
	const oidMGF1 = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
	bad := reject(Malformed, "bad RSASSA-PSS parameters")
	tag3 := asn1.Tag(3).ContextSpecific().Constructed()

	a := algorithm{family: pss, hash: crypto.SHA1, salt: sha1.Size}
	mask := crypto.SHA1
	var seq, field cryptobyte.String
	var present bool
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() {
		return a, bad
	}
	if !seq.ReadOptionalASN1(&field, &present, tag0) {
		return a, bad
	} else if present {
		var id algorithmIdentifier
		if !readAlgorithm(&field, &id) || !field.Empty() || !id.plain() {
			return a, bad
		}
		a.hash = hashOf(id.oid)
	}
	if !seq.ReadOptionalASN1(&field, &present, tag1) {
		return a, bad
	} else if present {
		var mgf, id algorithmIdentifier
		if !readAlgorithm(&field, &mgf) || !field.Empty() || string(mgf.oid) != oidMGF1 ||
			!readAlgorithm(&mgf.parameters, &id) || !mgf.parameters.Empty() || !id.plain() {
			return a, bad
		}
		mask = hashOf(id.oid)
	}
	if !seq.ReadOptionalASN1(&field, &present, tag2) {
		return a, bad
	} else if present && (!readSmall(&field, asn1.INTEGER, &a.salt) || !field.Empty()) {
		return a, bad
	}
	trailer := 1
	if !seq.ReadOptionalASN1(&field, &present, tag3) || !seq.Empty() {
		return a, bad
	} else if present && (!readSmall(&field, asn1.INTEGER, &trailer) || !field.Empty()) {
		return a, bad
	}
	switch {
	case trailer != 1:
		return a, bad
	case a.hash == 0:
		return a, reject(WeakAlgorithm, "RSASSA-PSS with a hash that is unknown or broken")
	case mask != a.hash:
		// crypto/rsa has one hash for both, and so has every client.
		return a, reject(WeakAlgorithm, "RSASSA-PSS with two different hashes")
	case a.salt == 0:
		// For crypto/rsa 0 means any length. No client takes it.
		return a, reject(WeakAlgorithm, "RSASSA-PSS without salt")
	}
	return a, nil
}

// check verifies a signature.
func (a algorithm) check(public crypto.PublicKey, signed, signature []byte) error {
	ok := false
	switch key := public.(type) {
	case *rsa.PublicKey:
		const minBits = 1024 // below, crypto/rsa refuses
		if key.N.BitLen() < minBits {
			return reject(WeakAlgorithm, "the responder's RSA key has %d bits, at least %d are accepted", key.N.BitLen(), minBits)
		}
		switch a.family {
		case pkcs1:
			ok = rsa.VerifyPKCS1v15(key, a.hash, digest(a.hash, signed), signature) == nil
		case pss:
			ok = rsa.VerifyPSS(key, a.hash, digest(a.hash, signed), signature, &rsa.PSSOptions{SaltLength: a.salt}) == nil
		}
	case *ecdsa.PublicKey:
		ok = a.family == ec && ecdsa.VerifyASN1(key, digest(a.hash, signed), signature)
	case ed25519.PublicKey:
		ok = a.family == edwards && ed25519.Verify(key, signed, signature)
	default:
		return reject(WeakAlgorithm, "the responder's key is of a kind that is not supported")
	}
	if !ok {
		return reject(BadSignature, "the signature does not verify with the responder's key")
	}
	return nil
}

func digest(h crypto.Hash, signed []byte) []byte {
	switch h {
	case crypto.SHA1:
		d := sha1.Sum(signed)
		return d[:]
	case crypto.SHA224:
		d := sha256.Sum224(signed)
		return d[:]
	case crypto.SHA256:
		d := sha256.Sum256(signed)
		return d[:]
	case crypto.SHA384:
		d := sha512.Sum384(signed)
		return d[:]
	}
	d := sha512.Sum512(signed)
	return d[:]
}
