package chain

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLeafAndIssuerAreFoundInAnyOrder(t *testing.T) {
	p := newPKI(t)
	plainCA := issue(t, nil, "old root", nil) // no CA:TRUE, as version 1 roots have none
	plainLeaf := issue(t, plainCA, "its leaf", nil)
	lone := issue(t, nil, "lone", nil)
	certs := func(of ...*authority) (out []*x509.Certificate) {
		for _, a := range of {
			out = append(out, a.cert)
		}
		return out
	}
	tests := []struct {
		name   string
		in     []*x509.Certificate
		leaf   *authority // nil: ErrNotChain
		issuer *authority
	}{
		{"in order", certs(p.leaf, p.intermediate, p.root), p.leaf, p.intermediate},
		{"root first", certs(p.root, p.intermediate, p.leaf), p.leaf, p.intermediate},
		{"leaf in the middle", certs(p.intermediate, p.leaf, p.root), p.leaf, p.intermediate},
		{"the second is a stranger", certs(p.leaf, plainCA, p.intermediate), p.leaf, p.intermediate},
		{"an impostor before the issuer", certs(p.leaf, p.impostor, p.intermediate), p.leaf, p.intermediate},
		{"only an impostor", certs(p.leaf, p.impostor), p.leaf, nil},
		{"only the root", certs(p.leaf, p.root), p.leaf, nil},
		{"alone", certs(p.leaf), p.leaf, nil},
		{"the leaf twice", certs(p.leaf, p.leaf, p.intermediate), p.leaf, p.intermediate},
		{"a CA without CA:TRUE, first", certs(plainCA, plainLeaf), plainLeaf, plainCA},
		{"a CA without CA:TRUE, last", certs(plainLeaf, plainCA), plainLeaf, plainCA},
		{"a leaf that signed itself", certs(lone), lone, lone},
		{"two leaves: the first", certs(p.intermediate, p.leaf, lone), p.leaf, p.intermediate},
		{"only CAs", certs(p.root, p.intermediate), nil, nil},
		{"nothing", nil, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := FromCertificates(test.in)
			if test.leaf == nil {
				if !errors.Is(err, ErrNotChain) {
					t.Errorf("got %v, want ErrNotChain", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want, _ := NewLeaf(test.leaf.cert); c.Leaf.Fingerprint != want.Fingerprint {
				t.Errorf("got leaf %s", c.Leaf.Name)
			}
			switch {
			case test.issuer == nil && (c.Issuer != nil || c.IssuerErr == nil):
				t.Errorf("got issuer %v, %v; want none and a reason", c.Issuer, c.IssuerErr)
			case test.issuer != nil && (c.Issuer == nil || !c.Issuer.Certificate.Equal(test.issuer.cert) || c.IssuerErr != nil):
				t.Errorf("got issuer %+v, %v", c.Issuer, c.IssuerErr)
			}
		})
	}
}

func TestAnIssuerThatCannotBeProvenIsNotCalledAnImpostor(t *testing.T) {
	root := issueKey(t, nil, "root", ed25519Key(t), isCA)
	leaf := issue(t, root, "leaf", nil).cert
	// Ed448's identifier ends in 71, Ed25519's in 70.
	ed448, err := x509.ParseCertificate(bytes.ReplaceAll(leaf.Raw, []byte("\x06\x03\x2b\x65\x70"), []byte("\x06\x03\x2b\x65\x71")))
	if err != nil {
		t.Fatal(err)
	}
	impostor, stranger := issueKey(t, nil, "root", ed25519Key(t), isCA), issue(t, nil, "another", isCA)
	for _, row := range []struct {
		leaf      *x509.Certificate
		candidate *authority
		want      string
	}{
		{ed448, root, `nobody can tell whether the certificate of "CN=root" signed it: x509: cannot verify signature: algorithm unimplemented`},
		{leaf, impostor, `the certificate of "CN=root" did not sign it: same name, other key`},
		{leaf, stranger, `no certificate of "CN=root" among those given`},
	} {
		if got := WhyNoIssuer(row.leaf, []*x509.Certificate{row.candidate.cert}).Error(); got != row.want {
			t.Errorf("got %s, want %s", got, row.want)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "leaf.pem")
	for name, cert := range map[string]*x509.Certificate{"leaf.pem": ed448, "chain.pem": root.cert} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := NewLoader(LoaderOptions{}).Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := `nobody can tell whether the certificate of "CN=root" in chain.pem signed it: x509: `; c.Issuer != nil || !strings.HasPrefix(c.IssuerErr.Error(), want) {
		t.Errorf("got %v, want %s", c.IssuerErr, want)
	}
}

// TestOneFileKeepsNobodyBusy has a file whose certificates all have one name and
// signed each other crosswise, so that each has to be compared with most others.
func TestOneFileKeepsNobodyBusy(t *testing.T) {
	const n = 400 // a megabyte holds six times as many
	keys := make([]*authority, n)
	for i := range keys {
		keys[i] = issue(t, nil, "x", nil)
	}
	crosswise := make([]*x509.Certificate, n)
	for i := range crosswise {
		crosswise[i] = issueKey(t, keys[n-1-i], "x", keys[i].key, nil).cert
	}
	start := cpuTime(t)
	if _, err := FromCertificates(crosswise); err == nil || errors.Is(err, ErrNotChain) {
		t.Errorf("got %v, want it said what is wrong", err)
	}
	if took := cpuTime(t) - start; took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// cpuTime returns how long this process has been at work. Others of the machine
// have no part in it.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestIssuerIsProvenByTheSignature(t *testing.T) {
	p := newPKI(t)
	// The impostor has the issuer's name and says it has its key identifier.
	liar := issue(t, nil, "intermediate", func(c *x509.Certificate) {
		isCA(c)
		c.SubjectKeyId = p.leaf.cert.AuthorityKeyId
	})
	if got := FindIssuer(p.leaf.cert, []*x509.Certificate{liar.cert, p.impostor.cert}, now); got != nil {
		t.Error("took a certificate whose key did not sign the leaf")
	}
	// The right key under another name is not the issuer either: clients would
	// not find it, and the CertID hashes the name.
	renamed := issueKey(t, p.root, "other name", p.intermediate.key, isCA)
	if got := FindIssuer(p.leaf.cert, []*x509.Certificate{renamed.cert}, now); got != nil {
		t.Error("took a certificate whose name is not the leaf's issuer")
	}
	// Neither the CA bit nor keyUsage is asked for.
	modest := issueKey(t, p.root, "intermediate", p.intermediate.key, func(c *x509.Certificate) {
		c.KeyUsage = x509.KeyUsageDigitalSignature
	})
	if got := FindIssuer(p.leaf.cert, []*x509.Certificate{modest.cert}, now); got == nil {
		t.Error("refused an issuer that is not marked as a CA")
	}
}

func TestTwinsAreChosenWithoutRegardToOrder(t *testing.T) {
	p := newPKI(t)
	twin := func(from, to time.Duration) *x509.Certificate {
		return issueKey(t, p.root, "intermediate", p.intermediate.key, func(c *x509.Certificate) {
			isCA(c)
			c.NotBefore, c.NotAfter = now.Add(from), now.Add(to)
		}).cert
	}
	expired := twin(-48*time.Hour, -time.Hour)
	future := twin(time.Hour, 96*time.Hour)
	short, long := twin(-time.Hour, time.Hour), twin(-time.Hour, 48*time.Hour)
	for _, test := range []struct {
		name string
		in   []*x509.Certificate
		want *x509.Certificate
	}{
		{"the valid one", []*x509.Certificate{expired, short, future}, short},
		{"the one that ends last", []*x509.Certificate{short, long}, long},
		{"an expired one if there is no other", []*x509.Certificate{expired}, expired},
	} {
		for range 2 {
			if got := FindIssuer(p.leaf.cert, test.in, now); got != test.want {
				t.Errorf("%s: got one that is valid from %v to %v", test.name, got.NotBefore, got.NotAfter)
			}
			slices.Reverse(test.in)
		}
	}
}

func TestSHA1SignaturesOfPrivatePKIsAreAccepted(t *testing.T) {
	key := rsaKey(t)
	root := issueKey(t, nil, "root", key, isCA)
	leaf := issueKey(t, root, "leaf", ed25519Key(t), nil).cert
	// x509 makes no SHA-1 signatures any more; its check still takes them.
	digest := crypto.SHA1.New()
	digest.Write(leaf.RawTBSCertificate)
	signature, err := key.Sign(nil, digest.Sum(nil), crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	old := *leaf
	old.SignatureAlgorithm, old.Signature = x509.SHA1WithRSA, signature
	if FindIssuer(&old, []*x509.Certificate{root.cert}, now) == nil {
		t.Error("refused a SHA-1 signature")
	}
	old.Signature = append([]byte{}, signature...)
	old.Signature[9] ^= 1
	if FindIssuer(&old, []*x509.Certificate{root.cert}, now) != nil {
		t.Error("accepted a wrong signature")
	}
}
