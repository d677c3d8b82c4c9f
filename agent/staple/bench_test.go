package staple_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

// BenchmarkVerify shows what verification costs beside the bare loop: the
// digest and the signature, which nobody can do without.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	v := staple.NewVerifier(staple.Options{})
	for name, r := range map[string]lab.Response{"direct": w.good(), "delegated": w.delegated(w.delegate)} {
		der := w.encode(r)
		b.Run(name+"/bare", func(b *testing.B) {
			data, signature := signedPart(b, der)
			key := r.Signer.Certificate.PublicKey.(*ecdsa.PublicKey)
			for b.Loop() {
				digest := sha256.Sum256(data)
				if !ecdsa.VerifyASN1(key, digest[:], signature) {
					b.Fatal("bad signature")
				}
			}
		})
		b.Run(name+"/first", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := staple.Verify(der, w.chain, w.now, staple.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/remembered", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(der, w.chain, w.now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// signedPart returns what was signed and the signature.
func signedPart(b *testing.B, der []byte) (data, signature []byte) {
	var outer, wrapped, bytes, octets, basic, tbs cryptobyte.String
	tag := asn1.Tag(0).ContextSpecific().Constructed()
	in := cryptobyte.String(der)
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !outer.SkipASN1(asn1.ENUM) || !outer.ReadASN1(&wrapped, tag) ||
		!wrapped.ReadASN1(&bytes, asn1.SEQUENCE) || !bytes.SkipASN1(asn1.OBJECT_IDENTIFIER) ||
		!bytes.ReadASN1(&octets, asn1.OCTET_STRING) || !octets.ReadASN1(&basic, asn1.SEQUENCE) ||
		!basic.ReadASN1Element(&tbs, asn1.SEQUENCE) || !basic.SkipASN1(asn1.SEQUENCE) ||
		!basic.ReadASN1BitStringAsBytes(&signature) {
		b.Fatal("not an OCSP response")
	}
	return tbs, signature
}
