package chain

import (
	"bytes"
	"errors"
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

// withoutLengths is a message as Java's libraries write it: what is around the
// certificates has an end mark instead of a length.
func withoutLengths(elements ...[]byte) []byte {
	open := func(tag byte, parts ...[]byte) []byte {
		return join([]byte{tag, 0x80}, join(parts...), []byte{0, 0})
	}
	oid := func(last byte) []byte {
		return []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, last}
	}
	return open(0x30, oid(2), open(0xa0, open(0x30,
		[]byte{0x02, 0x01, 0x01}, []byte{0x31, 0}, open(0x30, oid(1)), open(0xa0, elements...), []byte{0x31, 0})))
}

// unparsable is a certificate with a serial that is negative, which x509 refuses.
func unparsable(t testing.TB, c *authority) []byte {
	t.Helper()
	der := bytes.Clone(c.cert.Raw)
	serial := c.cert.SerialNumber.Bytes()
	at := bytes.Index(der, append([]byte{0x02, byte(len(serial))}, serial...))
	if at < 0 {
		t.Fatal("the serial is not where it should be")
	}
	der[at+2] |= 0x80
	return der
}

func TestIssuersAreFoundInAllThatAURLMayLeadTo(t *testing.T) {
	p := newPKI(t)
	one, two := p.intermediate.cert.Raw, p.root.cert.Raw
	good, open := pkcs7(one, two), withoutLengths(one, two)
	tests := []struct {
		name string
		in   []byte
		want int // certificates; 0: an error
	}{
		{"DER", one, 1},
		{"PEM", join(p.intermediate.pem(), p.root.pem()), 2},
		{"PEM with a byte order mark", join([]byte("\xef\xbb\xbf"), p.intermediate.pem()), 1},
		{"PEM, one of them broken", join(block("CERTIFICATE", []byte{0x30, 0}), p.intermediate.pem()), 1},
		{"PEM, the second cut", join(p.intermediate.pem(), p.root.pem()[:200]), 1},
		{"PKCS#7", good, 2},
		{"PKCS#7 in PEM", block("PKCS7", good), 2},
		{"PKCS#7 in PEM as CMS", join([]byte("\xef\xbb\xbf"), block("CMS", open)), 2},
		{"PKCS#7 without lengths", open, 2},
		{"PKCS#7, an attribute certificate between", pkcs7(two, []byte{0xa1, 0}, one), 2},
		{"PKCS#7, one of them unparsable", pkcs7(unparsable(t, p.root), one), 1},

		{"PKCS#7, no certificates", pkcs7(), 0},
		{"PKCS#7, something that is none", pkcs7([]byte{0x30, 0}), 0},
		{"PKCS#7, unparsable", pkcs7(unparsable(t, p.root)), 0},
		{"PKCS#7, cut", good[:len(good)-1], 0},
		{"PKCS#7 without lengths, cut", open[:len(open)-1], 0},
		{"PKCS#7, something after it", append(bytes.Clone(good), 0), 0},
		{"PKCS#7 in PEM, cut", block("PKCS7", good[:len(good)-1]), 0},
		{"another content type", bytes.Replace(good, []byte{0x07, 0x02}, []byte{0x07, 0x03}, 1), 0},
		{"ever deeper", bytes.Repeat([]byte{0x30, 0x80}, 1<<19), 0},
		{"a web page", []byte("<html>"), 0},
		{"nothing", nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			certs, err := ParseIssuers(test.in)
			if len(certs) != test.want || (err == nil) != (test.want > 0) {
				t.Errorf("got %d certificates, %v; want %d", len(certs), err, test.want)
			}
			if err != nil && (errors.Is(err, ErrNotChain) || errors.Is(err, ErrIncomplete)) {
				t.Errorf("the error speaks of a file with a leaf: %v", err)
			}
		})
	}
}

func FuzzParseIssuers(f *testing.F) {
	p := newPKI(f)
	f.Add(pkcs7(p.intermediate.cert.Raw, p.root.cert.Raw))
	f.Add(pkcs7(p.root.cert.Raw, []byte{0xa1, 0}))
	f.Add(withoutLengths(p.root.cert.Raw))
	f.Add(block("PKCS7", pkcs7(p.root.cert.Raw)))
	f.Add(pkcs7())
	f.Fuzz(func(t *testing.T, in []byte) {
		certs, err := ParseIssuers(in)
		if (err == nil) != (len(certs) > 0) {
			t.Fatalf("got %d certificates, %v", len(certs), err)
		}
		for _, cert := range certs {
			if !bytes.Contains(in, cert.Raw) && !bytes.Contains(in, []byte("-----")) {
				t.Fatal("got a certificate that is not in the message")
			}
		}
	})
}
