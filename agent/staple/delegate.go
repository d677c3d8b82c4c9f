package staple

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"github.com/restaple/restaple/watcher/chain"
)

// newDelegate checks what makes an embedded certificate a responder that the
// issuer authorized (RFC 6960 section 4.2.2.2), except its validity, which
// depends on the time.
func newDelegate(der []byte, issuer *chain.Issuer, strict bool) (*signer, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, reject(NotAuthorized, "the responder's certificate cannot be read: %v", err)
	}
	name := subjectOf(cert)
	if !bytes.Equal(cert.RawIssuer, issuer.Certificate.RawSubject) {
		return nil, reject(NotAuthorized, "the responder's certificate %q was not issued by %q itself", name, issuer.Certificate.Subject)
	}
	// Not CheckSignatureFrom: private CAs exist whose own certificates
	// lack CA:TRUE. This issuer is known to have signed the leaf.
	if err := issuer.Certificate.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature); err != nil {
		return nil, reject(NotAuthorized, "the responder's certificate %q was not signed by %q: %v", name, issuer.Certificate.Subject, err)
	}
	// anyExtendedKeyUsage does not count: the CA has to designate the
	// responder explicitly.
	if !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) {
		return nil, reject(NotAuthorized, "the responder's certificate %q lacks the extended key usage OCSPSigning", name)
	}
	// RFC 5280 section 4.2.1.12 names the two that go with OCSPSigning. An
	// absent keyUsage is 0.
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if cert.KeyUsage != 0 && cert.KeyUsage&signs == 0 || cert.KeyUsage == 0 && hasExtension(cert, oidKeyUsage) {
		return nil, reject(NotAuthorized, "the responder's certificate %q has a key usage without digitalSignature", name)
	}
	for _, oid := range cert.UnhandledCriticalExtensions {
		if !oid.Equal(oidNoCheck) {
			return nil, reject(NotAuthorized, "the responder's certificate %q has the unknown critical extension %s", name, oid)
		}
	}
	s := &signer{
		name:      name,
		public:    cert.PublicKey,
		delegated: true,
		notBefore: cert.NotBefore,
		notAfter:  cert.NotAfter,
	}
	switch cert.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		if strict {
			return nil, reject(WeakAlgorithm, "the responder's certificate %q is signed with SHA-1, which strict refuses", name)
		}
		s.warnings = append(s.warnings, "the responder's certificate is signed with SHA-1")
	}
	if !hasExtension(cert, oidNoCheck) {
		s.warnings = append(s.warnings, "the responder's certificate lacks id-pkix-ocsp-nocheck")
	}
	return s, nil
}

var (
	oidKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidNoCheck  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5} // RFC 6960 section 4.2.2.2.1
)

func hasExtension(cert *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oid) {
			return true
		}
	}
	return false
}
