package answer

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
)

// parts are the pieces of a request, each a whole element; "" leaves it out.
type parts struct {
	version, requestor, extensions, signature string
	algorithm, name, key, serial              string
	single                                    string // singleRequestExtensions
	times                                     int    // how often the CertID is in it
	inRequest, after                          string // superfluous
}

func element(tag asn1.Tag, contents ...string) string {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(strings.Join(contents, ""))) })
	return string(b.BytesOrPanic())
}

func sequence(contents ...string) string { return element(asn1.SEQUENCE, contents...) }

const null = "\x05\x00"

var yes = element(asn1.BOOLEAN, "\xff")

func extension(oid, critical, value string) string {
	return sequence(element(asn1.OBJECT_IDENTIFIER, oid), critical, element(asn1.OCTET_STRING, value))
}

func withNonce(octets int) string {
	return element(tag2, sequence(extension(oidNonce, "", element(asn1.OCTET_STRING, strings.Repeat("n", octets)))))
}

func normal() parts {
	return parts{
		algorithm: sequence(element(asn1.OBJECT_IDENTIFIER, oidSHA1), null),
		name:      element(asn1.OCTET_STRING, strings.Repeat("N", 20)),
		key:       element(asn1.OCTET_STRING, strings.Repeat("K", 20)),
		serial:    element(asn1.INTEGER, "\x00\x80\x01"),
		times:     1,
	}
}

func (p parts) encode() []byte {
	one := sequence(sequence(p.algorithm, p.name, p.key, p.serial), p.single)
	tbs := sequence(p.version, p.requestor, sequence(strings.Repeat(one, p.times)), p.extensions, p.inRequest)
	return []byte(sequence(tbs, p.signature) + p.after)
}

func TestARequestIsReadStrictly(t *testing.T) {
	long := "\x01" + strings.Repeat("s", maxSerial)
	for _, test := range []struct {
		name   string
		change func(*parts)
		ok     bool
	}{
		{"as usual", func(p *parts) {}, true},
		{"with the version that is the default", func(p *parts) { p.version = element(tag0, "\x02\x01\x00") }, true},
		{"with version 2", func(p *parts) { p.version = element(tag0, "\x02\x01\x01") }, false},
		{"with a requestor", func(p *parts) { p.requestor = element(tag1, sequence()) }, true},
		{"signed", func(p *parts) { p.signature = element(tag0, sequence("anything")) }, true},
		{"hash without parameters", func(p *parts) { p.algorithm = sequence(element(asn1.OBJECT_IDENTIFIER, oidSHA1)) }, true},
		{"hash with parameters", func(p *parts) { p.algorithm = sequence(element(asn1.OBJECT_IDENTIFIER, oidSHA1), "\x02\x01\x00") }, false},
		{"hash with two", func(p *parts) { p.algorithm = sequence(element(asn1.OBJECT_IDENTIFIER, oidSHA1), null, null) }, false},
		{"a hash nobody knows", func(p *parts) { p.algorithm = sequence(element(asn1.OBJECT_IDENTIFIER, "\x2a"), null) }, true},
		{"SHA-256 with the size of SHA-1", func(p *parts) { p.algorithm = sequence(element(asn1.OBJECT_IDENTIFIER, oidSHA256), null) }, false},
		{"a name hash too long", func(p *parts) { p.name = element(asn1.OCTET_STRING, strings.Repeat("N", 21)) }, false},
		{"a key hash too short", func(p *parts) { p.key = element(asn1.OCTET_STRING, strings.Repeat("K", 19)) }, false},
		{"the name itself", func(p *parts) { p.name = sequence() }, false},
		{"no serial", func(p *parts) { p.serial = "" }, false},
		{"an empty serial", func(p *parts) { p.serial = element(asn1.INTEGER) }, false},
		{"serial 0", func(p *parts) { p.serial = element(asn1.INTEGER, "\x00") }, true},
		{"a negative serial", func(p *parts) { p.serial = element(asn1.INTEGER, "\x80") }, true},
		{"a serial with an octet too many", func(p *parts) { p.serial = element(asn1.INTEGER, "\x00\x01") }, false},
		{"a negative one, likewise", func(p *parts) { p.serial = element(asn1.INTEGER, "\xff\x81") }, false},
		{"the longest serial", func(p *parts) { p.serial = element(asn1.INTEGER, long[:maxSerial]) }, true},
		{"a longer one", func(p *parts) { p.serial = element(asn1.INTEGER, long) }, false},
		{"no certificate", func(p *parts) { p.times = 0 }, false},
		{"the most", func(p *parts) { p.times = maxIDs }, true},
		{"one more", func(p *parts) { p.times = maxIDs + 1 }, false},
		{"with a nonce", func(p *parts) { p.extensions = withNonce(32) }, true},
		{"with the longest nonce", func(p *parts) { p.extensions = withNonce(maxNonce) }, true},
		{"with a longer one", func(p *parts) { p.extensions = withNonce(maxNonce + 1) }, false},
		{"with an empty nonce", func(p *parts) { p.extensions = withNonce(0) }, false},
		{"with a nonce that is no OCTET STRING", func(p *parts) { p.extensions = element(tag2, sequence(extension(oidNonce, "", "n"))) }, false},
		{"with two nonces", func(p *parts) {
			one := extension(oidNonce, "", element(asn1.OCTET_STRING, "n"))
			p.extensions = element(tag2, sequence(one, one))
		}, false},
		{"with a critical nonce", func(p *parts) {
			p.extensions = element(tag2, sequence(extension(oidNonce, yes, element(asn1.OCTET_STRING, "n"))))
		}, true},
		{"with an extension nobody knows", func(p *parts) { p.extensions = element(tag2, sequence(extension("\x2a", "", "x"))) }, true},
		{"with a critical one", func(p *parts) { p.extensions = element(tag2, sequence(extension("\x2a", yes, "x"))) }, false},
		{"with no extension at all", func(p *parts) { p.extensions = element(tag2, sequence()) }, false},
		{"with one of the certificate", func(p *parts) { p.single = element(tag0, sequence(extension("\x2a", "", "x"))) }, true},
		{"with a critical one of it", func(p *parts) { p.single = element(tag0, sequence(extension("\x2a", yes, "x"))) }, false},
		{"more within", func(p *parts) { p.inRequest = null }, false},
		{"more behind", func(p *parts) { p.after = null }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := normal()
			test.change(&p)
			q, err := parseRequest(p.encode())
			if (err == nil) != test.ok {
				t.Fatalf("got %v, want it read: %v", err, test.ok)
			}
			if test.ok && len(q.ids) != p.times {
				t.Errorf("got %d certificates, want %d", len(q.ids), p.times)
			}
		})
	}
}

func TestARequestKeepsItsParts(t *testing.T) {
	p := normal()
	p.extensions = withNonce(5)
	q, err := parseRequest(p.encode())
	if err != nil {
		t.Fatal(err)
	}
	id := q.ids[0]
	if id.hash != crypto.SHA1 || string(id.nameHash) != strings.Repeat("N", 20) || string(id.keyHash) != strings.Repeat("K", 20) ||
		id.serial != "\x00\x80\x01" || string(q.nonce) != "nnnnn" {
		t.Errorf("got %+v", q)
	}
	again, err := q.encode()
	if err != nil || !bytes.Equal(again, p.encode()) {
		t.Errorf("encoded again: got %x, %v, want %x", again, err, p.encode())
	}
}

func FuzzParseRequest(f *testing.F) {
	p := normal()
	f.Add(p.encode())
	p.times, p.extensions, p.single = 3, withNonce(32), element(tag0, sequence(extension("\x2a", "", "x")))
	f.Add(p.encode())
	p.version, p.requestor, p.signature = element(tag0, "\x02\x01\x00"), element(tag1, sequence()), element(tag0, sequence())
	f.Add(p.encode())
	other, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: big.NewInt(1)}, issuerStub(), &ocsp.RequestOptions{Hash: crypto.SHA256})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(other)
	f.Fuzz(func(t *testing.T, der []byte) {
		q, err := parseRequest(der)
		if err != nil {
			return
		}
		again, err := q.encode()
		if err != nil {
			t.Fatalf("not to be encoded: %v", err)
		}
		p, err := parseRequest(again)
		if err != nil || len(p.ids) != len(q.ids) || !bytes.Equal(p.nonce, q.nonce) {
			t.Fatalf("read again: got %+v, %v, want %+v", p, err, q)
		}
		for i := range p.ids {
			if p.ids[i].serial != q.ids[i].serial || !bytes.Equal(p.ids[i].keyHash, q.ids[i].keyHash) {
				t.Errorf("certificate %d differs", i)
			}
		}
	})
}

func FuzzRequestInPath(f *testing.F) {
	der := normal().encode()
	text := base64.StdEncoding.EncodeToString(der)
	for _, path := range []string{"/" + url.QueryEscape(text), "//" + text, "/MAIN/x/" + text, "/", "", "M", strings.Repeat("/M", 50), "/MA%", "/M%zz/" + text} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		// Whatever stands before it, the request is found; unless it reads
		// as one together with what stands before it, or is much.
		if strings.Count(path, "/M") >= maxGuesses {
			return
		}
		if _, err := requestInPath(path + "/" + url.QueryEscape(text)); err != nil {
			t.Errorf("not found behind %q", path)
		}
		_, _ = requestInPath(path)
	})
}

// issuerStub has what x/crypto/ocsp needs of an issuer.
func issuerStub() *x509.Certificate {
	key := []byte(sequence(sequence(element(asn1.OBJECT_IDENTIFIER, "\x2a")), element(asn1.BIT_STRING, "\x00key")))
	return &x509.Certificate{RawSubject: []byte(sequence()), RawSubjectPublicKeyInfo: key}
}
