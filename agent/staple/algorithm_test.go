package staple_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

// Object identifiers, whole elements.
const (
	sha1OID   = "\x06\x05\x2b\x0e\x03\x02\x1a"
	sha256OID = "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
	sha384OID = "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02"
	md5OID    = "\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05"
	mgf1OID   = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
	pssOID    = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
	rsa256OID = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
	rsa224OID = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e"
	ec256OID  = "\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
	null      = "\x05\x00"
)

func TestSHA2SignaturesOfEveryKindAreAccepted(t *testing.T) {
	for keys, algorithms := range map[lab.KeyType][]x509.SignatureAlgorithm{
		lab.RSA: {
			x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
			x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		},
		lab.ECDSA:   {x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512},
		lab.Ed25519: {x509.PureEd25519},
	} {
		w := newWorldOf(t, keys)
		for _, a := range algorithms {
			t.Run(a.String(), func(t *testing.T) {
				for _, r := range []lab.Response{w.good(), w.delegated(w.delegate)} {
					r.Algorithm = a
					if s := w.accept(w.encode(r), staple.Options{Strict: true}); len(s.Warnings) > 0 {
						t.Errorf("got warnings %q, want none", s.Warnings)
					}
					r.TamperSignature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
					w.refuse(w.encode(r), staple.Options{}, staple.BadSignature)
				}
			})
		}
	}
}

func TestStrictRefusesSHA1(t *testing.T) {
	w := newWorld(t)
	r := w.good()
	r.Algorithm = x509.ECDSAWithSHA1
	s := w.accept(w.encode(r), staple.Options{})
	if len(s.Warnings) != 1 {
		t.Errorf("got warnings %q, want one", s.Warnings)
	}
	w.refuse(w.encode(r), staple.Options{Strict: true}, staple.WeakAlgorithm)

	d := w.issue(lab.IssueOptions{CommonName: "d", OCSPSigning: true, NoCheck: true, Change: func(c *x509.Certificate) {
		c.SignatureAlgorithm = x509.ECDSAWithSHA1
	}})
	s = w.accept(w.encode(w.delegated(d)), staple.Options{})
	if len(s.Warnings) != 1 {
		t.Errorf("got warnings %q, want one", s.Warnings)
	}
	w.refuse(w.encode(w.delegated(d)), staple.Options{Strict: true}, staple.WeakAlgorithm)
}

func TestMD5IsNeverAccepted(t *testing.T) {
	w := newWorldOf(t, lab.RSA)
	r := w.good()
	r.Algorithm = x509.MD5WithRSA
	w.refuse(w.encode(r), staple.Options{}, staple.WeakAlgorithm)
}

func TestAlgorithmIdentifiersAreReadToTheLetter(t *testing.T) {
	rsaWorld, ecWorld := newWorldOf(t, lab.RSA), newWorld(t)
	hash := func(oid string) string { return seq(oid, null) }
	params := func(h, mgf, salt string) string {
		return seq(pssOID, seq(tagged(0, h), tagged(1, seq(mgf1OID, mgf)), tagged(2, salt)))
	}
	salt := func(n byte) string { return "\x02\x01" + string(n) }
	for _, row := range []struct {
		name      string
		w         *world
		algorithm string
		sign      signature
		want      staple.Reason
	}{
		{"RSA without NULL", rsaWorld, seq(rsa256OID), pkcs1(crypto.SHA256), accepted},
		{"RSA with something else", rsaWorld, seq(rsa256OID, "\x04\x00"), pkcs1(crypto.SHA256), staple.Malformed},
		{"RSA with NULL and more", rsaWorld, seq(rsa256OID, null, null), pkcs1(crypto.SHA256), staple.Malformed},
		{"RSA with SHA-224", rsaWorld, seq(rsa224OID, null), pkcs1(crypto.SHA224), accepted},
		{"RSA with SHA-1 by its other name", rsaWorld, seq("\x06\x05\x2b\x0e\x03\x02\x1d", null), pkcs1(crypto.SHA1), accepted},
		{"ECDSA with NULL", ecWorld, seq(ec256OID, null), ec(crypto.SHA256), staple.Malformed},
		{"ECDSA by an RSA key", rsaWorld, seq(ec256OID), pkcs1(crypto.SHA256), staple.BadSignature},
		{"RSA by an ECDSA key", ecWorld, seq(rsa256OID, null), ec(crypto.SHA256), staple.BadSignature},
		{"no identifier", ecWorld, seq(null), ec(crypto.SHA256), staple.Malformed},
		{"PSS", rsaWorld, params(hash(sha256OID), hash(sha256OID), salt(32)), pss(crypto.SHA256, 32), accepted},
		{"PSS, hash without NULL", rsaWorld, params(seq(sha256OID), seq(sha256OID), salt(32)), pss(crypto.SHA256, 32), accepted},
		{"PSS, salt of another length", rsaWorld, params(hash(sha256OID), hash(sha256OID), salt(20)), pss(crypto.SHA256, 20), accepted},
		{"PSS, salt as long as can be", rsaWorld, params(hash(sha256OID), hash(sha256OID), "\x02\x02\x00\xde"), pss(crypto.SHA256, 222), accepted},
		{"PSS, salt not as it says", rsaWorld, params(hash(sha256OID), hash(sha256OID), salt(32)), pss(crypto.SHA256, 20), staple.BadSignature},
		{"PSS, no salt", rsaWorld, params(hash(sha256OID), hash(sha256OID), salt(0)), pss(crypto.SHA256, 32), staple.WeakAlgorithm},
		{"PSS, negative salt", rsaWorld, params(hash(sha256OID), hash(sha256OID), "\x02\x01\xff"), pss(crypto.SHA256, 32), staple.Malformed},
		{"PSS, two hashes", rsaWorld, params(hash(sha256OID), hash(sha384OID), salt(32)), pss(crypto.SHA256, 32), staple.WeakAlgorithm},
		{"PSS with MD5", rsaWorld, params(hash(md5OID), hash(md5OID), salt(32)), pss(crypto.SHA256, 32), staple.WeakAlgorithm},
		{"PSS, all defaults", rsaWorld, seq(pssOID, seq()), pss(crypto.SHA1, 20), accepted},
		{"PSS, all defaults written out", rsaWorld, seq(pssOID, seq(tagged(0, hash(sha1OID)), tagged(1, seq(mgf1OID, hash(sha1OID))), tagged(2, salt(20)), tagged(3, salt(1)))), pss(crypto.SHA1, 20), accepted},
		{"PSS, another trailer", rsaWorld, seq(pssOID, seq(tagged(3, salt(2)))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, another mask", rsaWorld, seq(pssOID, seq(tagged(1, seq(pssOID, hash(sha1OID))))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS without parameters", rsaWorld, seq(pssOID), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS with NULL", rsaWorld, seq(pssOID, null), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS with an unknown field", rsaWorld, seq(pssOID, seq(tagged(4, null))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, fields in another order", rsaWorld, seq(pssOID, seq(tagged(2, salt(20)), tagged(0, hash(sha1OID)))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, more beside the hash", rsaWorld, seq(pssOID, seq(tagged(0, hash(sha1OID), null))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, hash with parameters", rsaWorld, seq(pssOID, seq(tagged(0, seq(sha1OID, "\x04\x00")))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, more beside the mask", rsaWorld, seq(pssOID, seq(tagged(1, seq(mgf1OID, hash(sha1OID)), null))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, more within the mask", rsaWorld, seq(pssOID, seq(tagged(1, seq(mgf1OID, hash(sha1OID), null)))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, mask without a hash", rsaWorld, seq(pssOID, seq(tagged(1, seq(mgf1OID)))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, mask's hash with parameters", rsaWorld, seq(pssOID, seq(tagged(1, seq(mgf1OID, seq(sha1OID, "\x04\x00"))))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, more beside the salt", rsaWorld, seq(pssOID, seq(tagged(2, salt(20), null))), pss(crypto.SHA1, 20), staple.Malformed},
		{"PSS, more beside the trailer", rsaWorld, seq(pssOID, seq(tagged(3, salt(1), null))), pss(crypto.SHA1, 20), staple.Malformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := row.w.good()
			r.TamperBasic = resign(t, row.algorithm, row.w.ca.Key, row.sign)
			der := row.w.encode(r)
			if row.want == accepted {
				row.w.accept(der, staple.Options{})
				return
			}
			row.w.refuse(der, staple.Options{}, row.want)
		})
	}
}

func TestAnRSAKeyThatIsTooShortIsWeak(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0") // to make one
	key, err := rsa.GenerateKey(rand.Reader, 768)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	r := w.delegated(w.issue(lab.IssueOptions{CommonName: "short", OCSPSigning: true, Key: key}))
	w.refuse(w.encode(r), staple.Options{}, staple.WeakAlgorithm)
}

// signature signs data with a key.
type signature func(key crypto.Signer, data []byte) ([]byte, error)

func pkcs1(h crypto.Hash) signature {
	return func(key crypto.Signer, data []byte) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, key.(*rsa.PrivateKey), h, sum(h, data))
	}
}

func pss(h crypto.Hash, salt int) signature {
	return func(key crypto.Signer, data []byte) ([]byte, error) {
		return rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), h, sum(h, data), &rsa.PSSOptions{SaltLength: salt})
	}
}

func ec(h crypto.Hash) signature {
	return func(key crypto.Signer, data []byte) ([]byte, error) {
		return ecdsa.SignASN1(rand.Reader, key.(*ecdsa.PrivateKey), sum(h, data))
	}
}

func sum(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}

// resign puts another algorithm and signature into a BasicOCSPResponse.
func resign(t *testing.T, algorithm string, key crypto.Signer, sign signature) func([]byte) []byte {
	return func(der []byte) []byte {
		var basic, data cryptobyte.String
		in := cryptobyte.String(der)
		if !in.ReadASN1(&basic, asn1.SEQUENCE) || !basic.ReadASN1Element(&data, asn1.SEQUENCE) {
			t.Fatal("not a BasicOCSPResponse")
		}
		signed, err := sign(key, data)
		if err != nil {
			t.Fatal(err)
		}
		var b cryptobyte.Builder
		b.AddASN1BitString(signed)
		return []byte(seq(string(data), algorithm, string(b.BytesOrPanic())))
	}
}

func seq(elements ...string) string { return element(asn1.SEQUENCE, elements...) }

func tagged(n uint8, elements ...string) string {
	return element(asn1.Tag(n).ContextSpecific().Constructed(), elements...)
}

func element(tag asn1.Tag, elements ...string) string {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, e := range elements {
			b.AddBytes([]byte(e))
		}
	})
	return string(bytes.Clone(b.BytesOrPanic()))
}
