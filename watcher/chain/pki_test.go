package chain

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a CA, or a leaf, with its key.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var now = time.Now()

// issue makes a certificate; change may alter anything about it. Without an
// issuer it is self-signed.
func issue(t testing.TB, issuer *authority, name string, change func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueKey(t, issuer, name, key, change)
}

func issueKey(t testing.TB, issuer *authority, name string, key crypto.Signer, change func(*x509.Certificate)) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
	}
	if change != nil {
		change(template)
	}
	if issuer == nil {
		issuer = &authority{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{parse(t, der), key}
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func isCA(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }

// pki is what most tests need: a root, an intermediate, a leaf, and another CA
// that calls itself like the intermediate.
type pki struct{ root, intermediate, leaf, impostor *authority }

func newPKI(t testing.TB) pki {
	t.Helper()
	var p pki
	p.root = issue(t, nil, "root", isCA)
	p.intermediate = issue(t, p.root, "intermediate", isCA)
	p.impostor = issue(t, p.root, "intermediate", isCA)
	p.leaf = issue(t, p.intermediate, "leaf", func(c *x509.Certificate) {
		c.DNSNames = []string{"www.example.com", "example.com"}
		c.OCSPServer = []string{"http://ocsp.example/"}
		c.IssuingCertificateURL = []string{"http://ca.example/ca.der"}
	})
	return p
}

func (a *authority) pem() []byte { return block("CERTIFICATE", a.cert.Raw) }

func (a *authority) keyPEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func block(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ed25519Key(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
