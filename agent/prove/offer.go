package prove

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// offer returns the cipher suites and the newest TLS version that make a
// server show the certificate with a kind of key.
func offer(keyType string) (suites []uint16, newest uint16, err error) {
	all := tls.CipherSuites()
	all = append(all, tls.InsecureCipherSuites()...) // for servers that have nothing else
	if keyType == "" {
		return ids(all, func(string) bool { return true }), 0, nil
	}
	var wanted func(name string) bool
	switch strings.ToLower(keyType) {
	case "rsa":
		wanted = func(name string) bool { return strings.Contains(name, "_RSA_") }
	case "ecdsa", "ed25519": // EdDSA goes by the same suites (RFC 8422 section 5.10)
		wanted = func(name string) bool { return strings.Contains(name, "_ECDSA_") }
	default:
		return nil, 0, fmt.Errorf("key type %q: want rsa or ecdsa", keyType)
	}
	return ids(all, wanted), tls.VersionTLS12, nil
}

func ids(suites []*tls.CipherSuite, wanted func(name string) bool) []uint16 {
	var out []uint16
	for _, s := range suites {
		if wanted(s.Name) {
			out = append(out, s.ID)
		}
	}
	return out
}
