package chain

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// pkcs7 makes a certs-only message of whatever it is given.
func pkcs7(elements ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes([]byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02})
		b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddBytes([]byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01})
				})
				b.AddASN1(asn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					for _, e := range elements {
						b.AddBytes(e)
					}
				})
				b.AddASN1(asn1.SET, func(*cryptobyte.Builder) {})
			})
		})
	})
	return b.BytesOrPanic()
}

func TestPKCS7(t *testing.T) {
	p := newPKI(t)
	good := pkcs7(p.intermediate.cert.Raw, p.root.cert.Raw)
	tests := []struct {
		name string
		in   []byte
		want int // certificates; 0: an error
	}{
		{"two certificates", good, 2},
		{"an attribute certificate between", pkcs7(p.root.cert.Raw, []byte{0xa1, 0}, p.intermediate.cert.Raw), 2},
		{"no certificates", pkcs7(), 0},
		{"something that is none", pkcs7([]byte{0x30, 0}), 0},
		{"cut", good[:len(good)-1], 0},
		{"something after it", append(bytes.Clone(good), 0), 0},
		{"another content type", bytes.Replace(good, []byte{0x07, 0x02}, []byte{0x07, 0x03}, 1), 0},
		{"a certificate", p.root.cert.Raw, 0},
		{"nothing", nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			certs, err := ParsePKCS7(test.in)
			if len(certs) != test.want || (err == nil) != (test.want > 0) {
				t.Errorf("got %d certificates, %v; want %d", len(certs), err, test.want)
			}
		})
	}
}

func FuzzParsePKCS7(f *testing.F) {
	p := newPKI(f)
	f.Add(pkcs7(p.intermediate.cert.Raw, p.root.cert.Raw))
	f.Add(pkcs7(p.root.cert.Raw, []byte{0xa1, 0}))
	f.Add(pkcs7())
	f.Fuzz(func(t *testing.T, in []byte) {
		certs, err := ParsePKCS7(in)
		if (err == nil) != (len(certs) > 0) {
			t.Fatalf("got %d certificates, %v", len(certs), err)
		}
		for _, cert := range certs {
			if !bytes.Contains(in, cert.Raw) {
				t.Fatal("got a certificate that is not in the message")
			}
		}
	})
}
