package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	_ "crypto/md5" // for signatures that must be refused
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

type params int

const (
	paramsAbsent params = iota // ECDSA and Ed25519 (RFC 5758, RFC 8410)
	paramsNull                 // RSA PKCS#1 (RFC 4055)
	paramsPSS
)

type algorithm struct {
	oid    asn1.ObjectIdentifier
	hash   crypto.Hash
	params params
}

func findAlgorithm(a x509.SignatureAlgorithm) (algorithm, bool) {
	rsaOID := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, n} }
	ecdsaOID := func(n ...int) asn1.ObjectIdentifier {
		return append(asn1.ObjectIdentifier{1, 2, 840, 10045, 4}, n...)
	}
	switch a {
	case x509.MD5WithRSA:
		return algorithm{rsaOID(4), crypto.MD5, paramsNull}, true
	case x509.SHA1WithRSA:
		return algorithm{rsaOID(5), crypto.SHA1, paramsNull}, true
	case x509.SHA256WithRSA:
		return algorithm{rsaOID(11), crypto.SHA256, paramsNull}, true
	case x509.SHA384WithRSA:
		return algorithm{rsaOID(12), crypto.SHA384, paramsNull}, true
	case x509.SHA512WithRSA:
		return algorithm{rsaOID(13), crypto.SHA512, paramsNull}, true
	case x509.SHA256WithRSAPSS:
		return algorithm{rsaOID(10), crypto.SHA256, paramsPSS}, true
	case x509.SHA384WithRSAPSS:
		return algorithm{rsaOID(10), crypto.SHA384, paramsPSS}, true
	case x509.SHA512WithRSAPSS:
		return algorithm{rsaOID(10), crypto.SHA512, paramsPSS}, true
	case x509.ECDSAWithSHA1:
		return algorithm{ecdsaOID(1), crypto.SHA1, paramsAbsent}, true
	case x509.ECDSAWithSHA256:
		return algorithm{ecdsaOID(3, 2), crypto.SHA256, paramsAbsent}, true
	case x509.ECDSAWithSHA384:
		return algorithm{ecdsaOID(3, 3), crypto.SHA384, paramsAbsent}, true
	case x509.ECDSAWithSHA512:
		return algorithm{ecdsaOID(3, 4), crypto.SHA512, paramsAbsent}, true
	case x509.PureEd25519:
		return algorithm{asn1.ObjectIdentifier{1, 3, 101, 112}, 0, paramsAbsent}, true
	}
	return algorithm{}, false
}

// sign returns the AlgorithmIdentifier and the signature's octets.
func sign(key crypto.Signer, a x509.SignatureAlgorithm, data []byte) (identifier, signature []byte, err error) {
	if key == nil {
		return nil, nil, errors.New("no key to sign with")
	}
	if a == x509.UnknownSignatureAlgorithm {
		a = defaultAlgorithm(key)
	}
	alg, ok := findAlgorithm(a)
	if !ok {
		return nil, nil, fmt.Errorf("signature algorithm %v: not supported", a)
	}
	opts := crypto.SignerOpts(alg.hash)
	input := data
	if alg.hash != 0 {
		input = digest(alg.hash, data)
	}
	if alg.params == paramsPSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: alg.hash}
	}
	if signature, err = key.Sign(rand.Reader, input, opts); err != nil {
		return nil, nil, fmt.Errorf("sign with %v: %w", a, err)
	}
	identifier, err = alg.identifier()
	return identifier, signature, err
}

func defaultAlgorithm(key crypto.Signer) x509.SignatureAlgorithm {
	switch key.Public().(type) {
	case *rsa.PublicKey:
		return x509.SHA256WithRSA
	case *ecdsa.PublicKey:
		return x509.ECDSAWithSHA256
	case ed25519.PublicKey:
		return x509.PureEd25519
	}
	return x509.UnknownSignatureAlgorithm
}

// identifier encodes the AlgorithmIdentifier.
func (a algorithm) identifier() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.oid)
		switch a.params {
		case paramsNull:
			b.AddASN1NULL()
		case paramsPSS:
			a.addPSS(b)
		}
	})
	return b.Bytes()
}

// addPSS adds RSASSA-PSS-params (RFC 4055 section 3.1): hash, MGF1 with the
// same hash, and a salt as long as the hash.
func (a algorithm) addPSS(b *cryptobyte.Builder) {
	addHash := func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(hashOID(a.hash))
			b.AddASN1NULL()
		})
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), addHash)
		b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8})
				addHash(b)
			})
		})
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(a.hash.Size())) })
	})
}

// hashOID returns nil for hashes that CertIDs do not use.
func hashOID(h crypto.Hash) asn1.ObjectIdentifier {
	sha2 := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n} }
	switch h {
	case crypto.SHA1:
		return asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	case crypto.SHA256:
		return sha2(1)
	case crypto.SHA384:
		return sha2(2)
	case crypto.SHA512:
		return sha2(3)
	}
	return nil
}
