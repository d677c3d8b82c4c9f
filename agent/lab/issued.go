package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// KeyType names a kind of private key.
type KeyType string

// The kinds of keys the lab makes: P-256, 2048 bits, and Ed25519.
const (
	ECDSA   KeyType = "ecdsa"
	RSA     KeyType = "rsa"
	Ed25519 KeyType = "ed25519"
)

// rsaBits is the least that every TLS client still takes.
const rsaBits = 2048

// NewKey makes a private key; ECDSA if the type is empty.
func NewKey(t KeyType) (crypto.Signer, error) {
	switch t {
	case ECDSA, "":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("key type %q: must be ecdsa, rsa or ed25519", t)
}

// Issued is a certificate with its key and the CA that signed it.
type Issued struct {
	KeyPair
	Issuer *CA // nil if self-signed
}

// CertPEM returns the certificate alone.
func (k KeyPair) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate.Raw})
}

// KeyPEM returns the private key (PKCS#8).
func (k KeyPair) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.Key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ChainPEM returns the leaf and the CAs above it, without the root: what
// nginx calls ssl_certificate.
func (i *Issued) ChainPEM() []byte {
	out := i.CertPEM()
	for ca := i.Issuer; ca != nil && ca.Parent != nil; ca = ca.Parent {
		out = append(out, ca.CertPEM()...)
	}
	return out
}

// BundlePEM returns the chain and the private key in one: what HAProxy calls
// crt.
func (i *Issued) BundlePEM() ([]byte, error) {
	key, err := i.KeyPEM()
	if err != nil {
		return nil, err
	}
	return slices.Concat(i.ChainPEM(), key), nil
}

// TLS returns the chain and the key for a TLS listener, with the staple it is
// to serve; a nil staple is none.
func (i *Issued) TLS(staple []byte) tls.Certificate {
	cert := tls.Certificate{PrivateKey: i.Key, Leaf: i.Certificate, OCSPStaple: staple}
	cert.Certificate = append(cert.Certificate, i.Certificate.Raw)
	for ca := i.Issuer; ca != nil && ca.Parent != nil; ca = ca.Parent {
		cert.Certificate = append(cert.Certificate, ca.Certificate.Raw)
	}
	return cert
}

func splitNames(names []string) (dns []string, ips []net.IP) {
	for _, name := range names {
		if addr, err := netip.ParseAddr(name); err == nil {
			ips = append(ips, net.IP(addr.AsSlice()))
			continue
		}
		dns = append(dns, name)
	}
	return dns, ips
}

func keyTypeOf(key crypto.Signer) KeyType {
	switch key.Public().(type) {
	case *rsa.PublicKey:
		return RSA
	case ed25519.PublicKey:
		return Ed25519
	}
	return ECDSA
}
