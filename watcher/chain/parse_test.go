package chain

import (
	"bytes"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

func TestParseTakesCertificatesAndNothingElse(t *testing.T) {
	p := newPKI(t)
	leaf, ca, key := p.leaf.pem(), p.intermediate.pem(), p.leaf.keyPEM(t)
	body := func(in []byte) []byte { // base64 without its lines
		b, _ := pem.Decode(in)
		return b.Bytes
	}
	tests := []struct {
		name string
		in   []byte
		want int // certificates
		err  error
	}{
		{"one", leaf, 1, nil},
		{"chain", join(leaf, ca), 2, nil},
		{"key first", join(key, leaf, ca), 2, nil},
		{"key between", join(leaf, key, ca), 2, nil},
		{"DH parameters too", join(leaf, block("DH PARAMETERS", []byte{0x30, 0}), ca), 2, nil},
		{"text around", join([]byte("Bag Attributes\n  friendlyName: x\n"), leaf, []byte("\n# end\n")), 1, nil},
		{"text with dashes", join([]byte("----- BEGIN of my file -----\n-----BEGIN the end\n"), leaf), 1, nil},
		{"Windows lines", bytes.ReplaceAll(join(leaf, key, ca), []byte("\n"), []byte("\r\n")), 2, nil},
		{"no final newline", bytes.TrimRight(leaf, "\n"), 1, nil},
		{"joined without newline", join(bytes.TrimRight(leaf, "\n"), ca), 2, nil},
		{"one long line", join([]byte("-----BEGIN CERTIFICATE-----\n"), oneLine(leaf), []byte("\n-----END CERTIFICATE-----\n")), 1, nil},
		{"a byte order mark", join([]byte("\xef\xbb\xbf"), leaf, ca), 2, nil},
		{"byte order marks of joined files", join([]byte("\xef\xbb\xbf"), leaf, []byte("\xef\xbb\xbf"), ca), 2, nil},
		{"byte order marks of files joined without newline", join(bytes.TrimRight(leaf, "\n"), []byte("\xef\xbb\xbf"), ca), 2, nil},
		{"a byte order mark within a line", join([]byte("x\xef\xbb\xbf"), leaf), 0, ErrNotChain},
		{"a byte order mark alone", []byte("\xef\xbb\xbf\r\n"), 0, ErrIncomplete},
		{"indented", bytes.ReplaceAll(leaf, []byte("\nM"), []byte("\n M")), 1, nil},
		{"X509 CERTIFICATE", block("X509 CERTIFICATE", p.leaf.cert.Raw), 1, nil},
		{"TRUSTED CERTIFICATE", block("TRUSTED CERTIFICATE", join(p.leaf.cert.Raw, []byte{0x30, 0})), 1, nil},
		{"DER", body(leaf), 1, nil},
		{"DER, then a newline", join(body(leaf), []byte("\n")), 1, nil},
		{"DER, two", join(body(leaf), body(ca)), 2, nil},

		{"empty", nil, 0, ErrIncomplete},
		{"newlines", []byte("\n\n"), 0, ErrIncomplete},
		{"zeros after a crash", make([]byte, 4096), 0, ErrIncomplete},
		{"cut in the label", leaf[:15], 0, ErrIncomplete},
		{"cut in BEGIN", leaf[:8], 0, ErrIncomplete},
		{"cut in the body", leaf[:200], 0, ErrIncomplete},
		{"cut in END", leaf[:len(leaf)-5], 0, ErrIncomplete},
		{"cut in the second", join(leaf, ca[:200]), 1, ErrIncomplete},
		{"cut in the key", key[:60], 0, ErrIncomplete},
		{"zeros behind", join(leaf[:200], make([]byte, 400)), 0, ErrIncomplete},
		{"DER, cut", body(leaf)[:100], 0, ErrIncomplete},
		{"DER, cut in the length", body(leaf)[:3], 0, ErrIncomplete},
		{"DER, cut in the second", join(body(leaf), body(ca)[:100]), 1, ErrIncomplete},

		{"a key", key, 0, ErrNotChain},
		{"a DER key", body(key), 0, ErrNotChain},
		{"a request", block("CERTIFICATE REQUEST", []byte{0x30, 0}), 0, ErrNotChain},
		{"text", []byte("hello\n"), 0, ErrNotChain},
		{"text that begins like DER", []byte("0123456789\n"), 0, ErrNotChain},
		{"text that ends in dashes", []byte("Title\n-----"), 0, ErrNotChain},
		{"a staple", []byte{0x30, 0x03, 0x0a, 0x01, 0x03}, 0, ErrNotChain},
		{"a long staple", join([]byte{0x30, 0x82, 0x00, 0x05, 0x0a, 0x01, 0x00, 0x05, 0x00}), 0, ErrNotChain},
		{"a huge length", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00}, 0, ErrNotChain},

		{"a broken block", join(leaf, []byte("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n")), 1, errAny},
		{"a block that is no certificate", join(leaf, block("CERTIFICATE", []byte{0x30, 1, 5})), 1, errAny},
		{"an empty block", block("CERTIFICATE", nil), 0, errAny},
		{"DER, then garbage", join(body(leaf), []byte("garbage")), 1, errAny},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			certs, err := Parse(test.in)
			if len(certs) != test.want {
				t.Errorf("got %d certificates, want %d", len(certs), test.want)
			}
			switch {
			case test.err == errAny:
				if err == nil || errors.Is(err, ErrIncomplete) || errors.Is(err, ErrNotChain) {
					t.Errorf("got %v, want an error that says what is broken", err)
				}
			case !errors.Is(err, test.err):
				t.Errorf("got %v, want %v", err, test.err)
			}
		})
	}
}

var errAny = errors.New("any")

func oneLine(in []byte) []byte {
	lines := strings.Split(strings.TrimSpace(string(in)), "\n")
	return []byte(strings.Join(lines[1:len(lines)-1], ""))
}

// While a file is being written every beginning of it may be read, and none
// of them may pass for something else than it is.
func TestEveryBeginningOfAFileIsIncompleteOrShorter(t *testing.T) {
	p := newPKI(t)
	for name, whole := range map[string][]byte{
		"PEM": join(p.leaf.pem(), p.leaf.keyPEM(t), p.intermediate.pem()),
		"DER": p.leaf.cert.Raw,
	} {
		for n := range whole {
			certs, err := Parse(whole[:n])
			if err == nil {
				if name == "DER" || len(certs) == 0 || !endsBetweenBlocks(whole[:n]) {
					t.Fatalf("%s: the first %d bytes pass for %d certificates", name, n, len(certs))
				}
				continue
			}
			// One byte of DER, or a few dashes, could still be anything.
			if !errors.Is(err, ErrIncomplete) && n > 5 {
				t.Fatalf("%s: the first %d bytes: got %v, want ErrIncomplete", name, n, err)
			}
		}
	}
}

// endsBetweenBlocks: nobody can tell then that more is to come. A few dashes
// of the next BEGIN may be there.
func endsBetweenBlocks(in []byte) bool {
	tail := bytes.TrimRight(in, "-")
	tail = bytes.TrimRight(tail, "\n")
	return len(in)-len(tail) <= 6 && bytes.HasSuffix(in[:min(len(in), len(tail)+5)], []byte("-----")) ||
		bytes.HasSuffix(tail, []byte("-----"))
}

func FuzzParse(f *testing.F) {
	p := newPKI(f)
	f.Add(p.leaf.pem())
	f.Add(join(p.leaf.keyPEM(f), p.leaf.pem(), p.intermediate.pem()))
	f.Add(p.leaf.cert.Raw)
	f.Add(join(p.leaf.cert.Raw, p.root.cert.Raw))
	f.Add(p.leaf.pem()[:100])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nA: b\n\nMAA=\n-----END CERTIFICATE-----"))
	f.Add([]byte("-----BEGIN X-----\n-----BEGIN Y-----\n-----END X-----"))
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		certs, err := Parse(in)
		if len(certs) == 0 && err == nil {
			t.Fatal("got neither a certificate nor an error")
		}
		if !bytes.Equal(in, before) {
			t.Fatal("Parse changed its input")
		}
		raw := make([][]byte, len(certs))
		for i, cert := range certs {
			raw[i] = bytes.Clone(cert.Raw)
		}
		clear(in) // as the buffer of a file is
		for i, cert := range certs {
			if !bytes.Equal(cert.Raw, raw[i]) {
				t.Fatal("a certificate lies in the input")
			}
			s, err := readSketch(cert.Raw)
			if err != nil {
				t.Fatalf("x509 parses what readSketch does not: %v", err)
			}
			if !bytes.Equal(s.subject, cert.RawSubject) || !bytes.Equal(s.issuer, cert.RawIssuer) {
				t.Fatal("readSketch and x509 see different names")
			}
			if want := cert.BasicConstraintsValid && cert.IsCA; s.ca != want {
				t.Fatalf("CA: readSketch says %v, x509 %v", s.ca, want)
			}
		}
		if c, err := FromCertificates(certs); err == nil && c.Leaf == nil {
			t.Fatal("a chain without a leaf")
		}
	})
}
