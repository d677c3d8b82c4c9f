package lab

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// newPKI makes a PKI with a leaf.
func newPKI(t *testing.T, o PKIOptions) (*PKI, *Issued) {
	t.Helper()
	pki, err := NewPKI(o)
	if err != nil {
		t.Fatal(err)
	}
	return pki, issueLeaf(t, pki.Intermediate, IssueOptions{Names: []string{"site.test"}})
}

func issueLeaf(t *testing.T, ca *CA, o IssueOptions) *Issued {
	t.Helper()
	issued, err := ca.Issue(o)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// TestResponseIsWhatAnotherParserReads encodes one response per row and lets
// x/crypto/ocsp read it and check its signature.
func TestResponseIsWhatAnotherParserReads(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	for _, keyType := range []KeyType{ECDSA, RSA} {
		pki, leaf := newPKI(t, PKIOptions{KeyType: keyType})
		delegate := issueLeaf(t, pki.Intermediate, IssueOptions{
			CommonName: "delegate", KeyType: keyType, OCSPSigning: true, NoCheck: true,
		})
		rows := []struct {
			name       string
			change     func(*Response)
			status     int
			reason     int
			noNext     bool
			delegated  bool
			algorithms []x509.SignatureAlgorithm
		}{
			{name: "good", status: ocsp.Good},
			{name: "by key", change: func(r *Response) { r.ByKey = true }, status: ocsp.Good},
			{name: "unknown", change: func(r *Response) { r.Singles[0].Status = Unknown }, status: ocsp.Unknown},
			{name: "revoked with a reason", change: func(r *Response) {
				r.Singles[0].Status, r.Singles[0].RevokedAt, r.Singles[0].Reason = Revoked, now, ocsp.KeyCompromise
			}, status: ocsp.Revoked, reason: ocsp.KeyCompromise},
			{name: "revoked without a reason", change: func(r *Response) {
				r.Singles[0].Status, r.Singles[0].RevokedAt, r.Singles[0].Reason = Revoked, now, NoReason
			}, status: ocsp.Revoked},
			{name: "no nextUpdate", change: func(r *Response) { r.Singles[0].NextUpdate = time.Time{} }, status: ocsp.Good, noNext: true},
			{name: "delegated", change: func(r *Response) {
				r.Signer, r.Embed = delegate.KeyPair, []*x509.Certificate{delegate.Certificate}
			}, status: ocsp.Good, delegated: true},
			{name: "SHA-256 CertID", change: func(r *Response) { r.Singles[0].Hash = crypto.SHA256 }, status: ocsp.Good},
			{
				name: "every algorithm", status: ocsp.Good,
				algorithms: map[KeyType][]x509.SignatureAlgorithm{
					ECDSA: {x509.ECDSAWithSHA1, x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512},
					RSA:   {x509.SHA1WithRSA, x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA},
				}[keyType],
			},
		}
		for _, row := range rows {
			if row.algorithms == nil {
				row.algorithms = []x509.SignatureAlgorithm{x509.UnknownSignatureAlgorithm}
			}
			for _, algorithm := range row.algorithms {
				t.Run(string(keyType)+" "+row.name+" "+algorithm.String(), func(t *testing.T) {
					r := pki.Intermediate.Vouch(leaf.Certificate, now.Add(-time.Minute), now.Add(time.Hour))
					r.Algorithm = algorithm
					if row.change != nil {
						row.change(&r)
					}
					der, err := r.Encode()
					if err != nil {
						t.Fatal(err)
					}
					got, err := ocsp.ParseResponseForCert(der, leaf.Certificate, pki.Intermediate.Certificate)
					if err != nil {
						t.Fatal(err)
					}
					if got.Status != row.status || got.RevocationReason != row.reason {
						t.Errorf("got status %d reason %d, want %d and %d", got.Status, got.RevocationReason, row.status, row.reason)
					}
					if want := now.Add(-time.Minute); !got.ThisUpdate.Equal(want) || !got.ProducedAt.Equal(want) {
						t.Errorf("got thisUpdate %v, producedAt %v, want %v for both", got.ThisUpdate, got.ProducedAt, want)
					}
					if got.NextUpdate.IsZero() != row.noNext {
						t.Errorf("got nextUpdate %v, want none: %t", got.NextUpdate, row.noNext)
					}
					if (got.Certificate != nil) != row.delegated {
						t.Errorf("got an embedded certificate: %t, want %t", got.Certificate != nil, row.delegated)
					}
				})
			}
		}
	}
}

func TestEd25519SignaturesVerify(t *testing.T) {
	pki, leaf := newPKI(t, PKIOptions{KeyType: Ed25519})
	r := pki.Intermediate.Vouch(leaf.Certificate, time.Now(), time.Now().Add(time.Hour))
	var data []byte
	r.TamperData = func(d []byte) []byte { data = d; return d }
	var signature []byte
	r.TamperSignature = func(s []byte) []byte { signature = s; return s }
	if _, err := r.Encode(); err != nil {
		t.Fatal(err)
	}
	if err := pki.Intermediate.Certificate.CheckSignature(x509.PureEd25519, data, signature); err != nil {
		t.Error(err)
	}
}

func TestPSSSignaturesVerify(t *testing.T) {
	pki, leaf := newPKI(t, PKIOptions{KeyType: RSA})
	for _, algorithm := range []x509.SignatureAlgorithm{x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS} {
		r := pki.Intermediate.Vouch(leaf.Certificate, time.Now(), time.Now().Add(time.Hour))
		r.Algorithm = algorithm
		var data, signature []byte
		r.TamperData = func(d []byte) []byte { data = d; return d }
		r.TamperSignature = func(s []byte) []byte { signature = s; return s }
		if _, err := r.Encode(); err != nil {
			t.Fatal(err)
		}
		if err := pki.Intermediate.Certificate.CheckSignature(algorithm, data, signature); err != nil {
			t.Errorf("%v: %v", algorithm, err)
		}
	}
}

func TestErrorStatusStandsAlone(t *testing.T) {
	got, err := Response{Status: TryLater}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte{0x30, 0x03, 0x0a, 0x01, 0x03}; !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestTamperHooksSeeEachLayer(t *testing.T) {
	pki, leaf := newPKI(t, PKIOptions{})
	good := pki.Intermediate.Vouch(leaf.Certificate, time.Now(), time.Now().Add(time.Hour))
	var sizes []int
	hook := func(der []byte) []byte { sizes = append(sizes, len(der)); return der }
	good.TamperData, good.TamperSignature, good.TamperBasic, good.Tamper = hook, hook, hook, hook
	der, err := good.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(sizes) != 4 || sizes[3] != len(der) || !slices.IsSorted(sizes[1:]) || sizes[2] <= sizes[0] {
		t.Errorf("got layers of sizes %v in %d bytes, want data, signature, basic, whole", sizes, len(der))
	}
	good.TamperData = func(der []byte) []byte { der[len(der)-1] ^= 1; return der }
	good.TamperSignature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
	if der, err = good.Encode(); err != nil {
		t.Fatal(err)
	}
	if _, err := ocsp.ParseResponseForCert(der, leaf.Certificate, pki.Intermediate.Certificate); err == nil {
		t.Error("a tampered response was accepted")
	}
}

func TestEncodeSaysWhatItCannotDo(t *testing.T) {
	pki, leaf := newPKI(t, PKIOptions{})
	rows := []struct {
		name   string
		change func(*Response)
	}{
		{"an algorithm of another key", func(r *Response) { r.Algorithm = x509.DSAWithSHA1 }},
		{"no key", func(r *Response) { r.Signer.Key = nil }},
		{"a status that is none", func(r *Response) { r.Singles[0].Status = "fine" }},
		{"a hash that CertIDs do not use", func(r *Response) { r.Singles[0].Hash = crypto.MD5 }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := pki.Intermediate.Vouch(leaf.Certificate, time.Now(), time.Now().Add(time.Hour))
			row.change(&r)
			if _, err := r.Encode(); err == nil {
				t.Error("got no error")
			}
		})
	}
}
