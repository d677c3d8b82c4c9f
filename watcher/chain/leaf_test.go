package chain

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
)

var tlsFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

func TestLeafKeepsWhatAStapleNeeds(t *testing.T) {
	p := newPKI(t)
	leaf, err := NewLeaf(p.leaf.cert)
	if err != nil {
		t.Fatal(err)
	}
	if leaf.Fingerprint != sha256.Sum256(p.leaf.cert.Raw) {
		t.Error("the fingerprint is not that of the DER")
	}
	if got, want := leaf.Serial, string(p.leaf.cert.SerialNumber.Bytes()); got != want {
		t.Errorf("serial: got %x, want %x", got, want)
	}
	if !leaf.NotBefore.Equal(p.leaf.cert.NotBefore) || !leaf.NotAfter.Equal(p.leaf.cert.NotAfter) {
		t.Errorf("got %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	if leaf.Name != "www.example.com" || leaf.KeyType != "ECDSA" || leaf.MustStaple {
		t.Errorf("got %+v", leaf)
	}
	if !slices.Equal(leaf.Responders, []string{"http://ocsp.example/"}) || !slices.Equal(leaf.CAIssuers, []string{"http://ca.example/ca.der"}) {
		t.Errorf("got %q, %q", leaf.Responders, leaf.CAIssuers)
	}
}

func TestOnlySoManyURLsCount(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, "", fmt.Sprintf(" http://%d.example/", i/2))
	}
	leaf, err := NewLeaf(issue(t, nil, "leaf", func(c *x509.Certificate) { c.OCSPServer, c.IssuingCertificateURL = many, many[:4] }).cert)
	if err != nil {
		t.Fatal(err)
	}
	if got := leaf.Responders; len(got) != maxURLs || got[0] != "http://0.example/" || got[1] != "http://1.example/" {
		t.Errorf("responders: %q", got)
	}
	if got := leaf.CAIssuers; len(got) != 1 {
		t.Errorf("issuers: %q", got)
	}
}

func TestSerialIsWhatStandsInTheCertificate(t *testing.T) {
	root := issue(t, nil, "root", isCA)
	for _, test := range []struct{ serial, octets, hex string }{
		{"\x01", "\x01", "01"},
		{"\x7f\xff", "\x7f\xff", "7FFF"},
		{"\x80\x01", "\x00\x80\x01", "8001"}, // DER needs a sign octet
	} {
		leaf, err := NewLeaf(issue(t, root, "leaf", func(c *x509.Certificate) {
			c.SerialNumber = new(big.Int).SetBytes([]byte(test.serial))
		}).cert)
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Serial != test.octets || leaf.SerialHex() != test.hex {
			t.Errorf("%x: got %x, %s; want %x, %s", test.serial, leaf.Serial, leaf.SerialHex(), test.octets, test.hex)
		}
	}
}

func TestMustStapleIsReadStrictly(t *testing.T) {
	root := issue(t, nil, "root", isCA)
	tests := []struct {
		name  string
		value string // DER of the extension
		want  bool
		bad   bool
	}{
		{"status_request", "\x30\x03\x02\x01\x05", true, false},
		{"status_request among others", "\x30\x06\x02\x01\x11\x02\x01\x05", true, false},
		{"only status_request_v2", "\x30\x03\x02\x01\x11", false, false},
		{"nothing", "\x30\x00", false, false},
		{"something after it", "\x30\x03\x02\x01\x05\x00", false, true},
		{"cut", "\x30\x04\x02\x01\x05", false, true},
		{"not a SEQUENCE", "\x31\x03\x02\x01\x05", false, true},
		{"not an INTEGER", "\x30\x03\x04\x01\x05", false, true},
		{"a 5 that is not minimal", "\x30\x04\x02\x02\x00\x05", false, true},
		{"empty", "", false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cert := issue(t, root, "leaf", func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{{Id: tlsFeature, Value: []byte(test.value)}}
			}).cert
			leaf, err := NewLeaf(cert)
			if (err != nil) != test.bad {
				t.Fatalf("got error %v, want one: %v", err, test.bad)
			}
			if err == nil && leaf.MustStaple != test.want {
				t.Errorf("got %v, want %v", leaf.MustStaple, test.want)
			}
		})
	}
}

func TestLeafHasANameForPeople(t *testing.T) {
	root := issue(t, nil, "root", isCA)
	tests := []struct {
		name   string
		change func(*x509.Certificate)
		want   string
	}{
		{"DNS name", func(c *x509.Certificate) { c.DNSNames = []string{"a.example", "b.example"} }, "a.example"},
		{"IP address", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 1)} }, "10.0.0.1"},
		{"common name", nil, "Our leaf"},
		{"nothing", func(c *x509.Certificate) { c.Subject = pkix.Name{}; c.SerialNumber = big.NewInt(0xbeef) }, "serial BEEF"},
		{"terminal codes", func(c *x509.Certificate) { c.Subject.CommonName = "a\x1b[31m\nb" }, "a\ufffd[31m\ufffdb"},
		{"long", func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("ä", 1000) }, strings.Repeat("ä", 253)},
	}
	for _, test := range tests {
		leaf, err := NewLeaf(issue(t, root, "Our leaf", test.change).cert)
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Name != test.want {
			t.Errorf("%s: got %q, want %q", test.name, leaf.Name, test.want)
		}
	}
}

func TestLeafKnowsItsKeyType(t *testing.T) {
	root := issue(t, nil, "root", isCA)
	for want, leaf := range map[string]*authority{
		"RSA":     issueKey(t, root, "leaf", rsaKey(t), nil),
		"ECDSA":   issue(t, root, "leaf", nil),
		"Ed25519": issueKey(t, root, "leaf", ed25519Key(t), nil),
	} {
		if l, err := NewLeaf(leaf.cert); err != nil || l.KeyType != want {
			t.Errorf("got %v, %v; want %s", l, err, want)
		}
	}
	if got := keyType(x509.UnknownPublicKeyAlgorithm); got != "unknown" {
		t.Errorf("got %q for a key x509 does not know", got)
	}
}

func FuzzNewLeaf(f *testing.F) {
	p := newPKI(f)
	f.Add(p.leaf.cert.Raw)
	f.Add(p.root.cert.Raw)
	for _, value := range []string{"\x30\x03\x02\x01\x05", "\x30\x04\x02\x01\x05", ""} {
		f.Add(issue(f, p.root, "must-staple", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: tlsFeature, Value: []byte(value)}}
		}).cert.Raw)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		leaf, err := NewLeaf(cert)
		if err != nil {
			return
		}
		serial := new(big.Int).SetBytes([]byte(leaf.Serial))
		if serial.Cmp(cert.SerialNumber) != 0 {
			t.Fatalf("serial: got %x, x509 says %x", leaf.Serial, cert.SerialNumber)
		}
		if leaf.Name == "" || strings.ContainsFunc(leaf.Name, func(r rune) bool { return r < ' ' }) {
			t.Fatalf("got name %q", leaf.Name)
		}
		for _, u := range slices.Concat(leaf.Responders, leaf.CAIssuers) {
			if u == "" {
				t.Fatal("got an empty URL")
			}
		}
	})
}
