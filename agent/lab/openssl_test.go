package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// openssl runs openssl and returns everything it said.
func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
	return string(out), err
}

func needOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "openssl") {
		t.Fatal("openssl is not installed, and RESTAPLE_TEST_REQUIRE names it")
	}
	t.Skip("openssl is not installed")
}

// labFiles writes what openssl needs of a rig.
func labFiles(t *testing.T, r *rig) (root, issuer, leaf string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("root.pem", r.pki.Root.CertPEM()), write("issuer.pem", r.pki.Intermediate.CertPEM()), write("leaf.pem", r.leaf.CertPEM())
}

// TestOpenSSLBelievesTheResponder asks as `openssl ocsp` does, with POST, for
// each way to sign.
func TestOpenSSLBelievesTheResponder(t *testing.T) {
	needOpenSSL(t)
	const noNonce = "-no_nonce"
	for _, keyType := range []KeyType{ECDSA, RSA} {
		pki, leaf := newPKI(t, PKIOptions{KeyType: keyType})
		delegate := issueLeaf(t, pki.Intermediate, IssueOptions{CommonName: "delegate", KeyType: keyType, OCSPSigning: true, NoCheck: true})
		rows := []struct {
			name   string
			change func(*ResponderOptions)
			tell   func(*Responder) error
			args   []string
			want   []string
		}{
			{name: "good", args: []string{noNonce}, want: []string{"Response verify OK", "leaf.pem: good", "Next Update"}},
			{name: "SHA-256 CertID", args: []string{noNonce, "-sha256"}, want: []string{"Response verify OK", "leaf.pem: good"}},
			{name: "delegated", change: func(o *ResponderOptions) { o.Delegate = delegate }, args: []string{noNonce}, want: []string{"Response verify OK", "leaf.pem: good"}},
			{name: "by key", change: func(o *ResponderOptions) { o.ByKey = true }, args: []string{noNonce}, want: []string{"Response verify OK", "leaf.pem: good"}},
			{name: "delegated by key", change: func(o *ResponderOptions) { o.Delegate, o.ByKey = delegate, true }, args: []string{noNonce}, want: []string{"Response verify OK", "leaf.pem: good"}},
			{name: "nonce echoed", change: func(o *ResponderOptions) { o.EchoNonce = true }, want: []string{"Response verify OK", "leaf.pem: good"}},
			{name: "nonce ignored", want: []string{"no nonce in response", "Response verify OK", "leaf.pem: good"}},
			{name: "revoked", args: []string{noNonce}, tell: func(r *Responder) error {
				return r.Revoke(leaf.Certificate.SerialNumber, "keyCompromise", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			}, want: []string{"Response verify OK", "leaf.pem: revoked", "Reason: keyCompromise", "Revocation Time: Jan  2 03:04:05 2026 GMT"}},
			{name: "revoked for no reason", args: []string{noNonce}, tell: func(r *Responder) error {
				return r.Revoke(leaf.Certificate.SerialNumber, "", time.Now())
			}, want: []string{"Response verify OK", "leaf.pem: revoked"}},
			{name: "unknown", args: []string{noNonce}, tell: func(r *Responder) error {
				r.Forget(leaf.Certificate.SerialNumber)
				return nil
			}, want: []string{"Response verify OK", "leaf.pem: unknown"}},
			{name: "tryLater", args: []string{noNonce}, tell: func(r *Responder) error { return r.SetFault("tryLater") }, want: []string{"Responder Error: trylater (3)"}},
			{name: "bad signature", args: []string{noNonce}, tell: func(r *Responder) error { return r.SetFault("bad-signature") }, want: []string{"Response Verify Failure"}},
			{name: "expired", args: []string{noNonce, "-validity_period", "1"}, tell: func(r *Responder) error { return r.SetFault("expired") }, want: []string{"status expired"}},
			{name: "not yet valid", args: []string{noNonce}, tell: func(r *Responder) error { return r.SetFault("not-yet-valid") }, want: []string{"status not yet valid"}},
			{name: "delegate without the usage", args: []string{noNonce}, tell: func(r *Responder) error { return r.SetFault("delegate-without-usage") }, want: []string{"missing ocspsigning usage"}},
		}
		for _, row := range rows {
			t.Run(string(keyType)+" "+row.name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, func(o *ResponderOptions) {
					o.CA = pki.Intermediate
					if row.change != nil {
						row.change(o)
					}
				})
				r.pki, r.leaf = pki, leaf
				if row.tell != nil {
					if err := row.tell(r.responder); err != nil {
						t.Fatal(err)
					}
				}
				root, issuer, cert := labFiles(t, r)
				// The options go before -cert: -sha256 applies to what follows.
				args := slices.Concat([]string{"ocsp", "-url", r.url, "-CAfile", root, "-issuer", issuer}, row.args, []string{"-cert", cert})
				out, _ := openssl(t, args...) // its exit code differs among versions
				for _, want := range row.want {
					if !strings.Contains(out, want) {
						t.Errorf("got %q, want %q in it", out, want)
					}
				}
			})
		}
	}
}

// TestOpenSSLReadsWhatGETGives has openssl judge the bytes of a GET: its own
// client has only POST.
func TestOpenSSLReadsWhatGETGives(t *testing.T) {
	needOpenSSL(t)
	r := newRig(t, nil)
	root, issuer, cert := labFiles(t, r)
	_, body := r.get(t)
	response := filepath.Join(t.TempDir(), "response.der")
	if err := os.WriteFile(response, body, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := openssl(t, "ocsp", "-no_nonce", "-CAfile", root, "-issuer", issuer, "-cert", cert, "-respin", response)
	if err != nil || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, "leaf.pem: good") {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestOpenSSLVerifiesCertificates takes each kind of certificate to `openssl
// verify` and reads its extensions.
func TestOpenSSLVerifiesCertificates(t *testing.T) {
	needOpenSSL(t)
	const purpose = "sslserver"
	pki, _ := newPKI(t, PKIOptions{Responders: []string{"http://ocsp.test/"}, CAIssuers: []string{"http://ca.test/issuer.cer"}})
	rows := []struct {
		name    string
		options IssueOptions
		purpose string
		want    []string
		absent  []string
	}{
		{"ordinary", IssueOptions{Names: []string{"site.test", "192.0.2.1"}}, purpose,
			[]string{"OCSP - URI:http://ocsp.test/", "CA Issuers - URI:http://ca.test/issuer.cer", "DNS:site.test, IP Address:192.0.2.1", "CN = site.test"}, []string{"status_request"}},
		{"must-staple", IssueOptions{Names: []string{"site.test"}, MustStaple: true}, purpose, []string{"TLS Feature", "status_request"}, nil},
		{"RSA", IssueOptions{Names: []string{"site.test"}, KeyType: RSA}, purpose, []string{"rsaEncryption"}, nil},
		{"Ed25519", IssueOptions{Names: []string{"site.test"}, KeyType: Ed25519}, purpose, []string{"ED25519"}, nil},
		{"no responder", IssueOptions{Names: []string{"site.test"}, Responders: []string{}}, purpose, []string{"CA Issuers"}, []string{"OCSP - URI"}},
		{"delegated responder", IssueOptions{CommonName: "delegate", OCSPSigning: true, NoCheck: true}, "ocsphelper", []string{"OCSP Signing", "OCSP No Check"}, []string{"TLS Web Server"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := &rig{pki: pki, leaf: issueLeaf(t, pki.Intermediate, row.options)}
			root, issuer, cert := labFiles(t, r)
			if out, err := openssl(t, "verify", "-x509_strict", "-purpose", row.purpose, "-CAfile", root, "-untrusted", issuer, cert); err != nil {
				t.Errorf("verify: %v: %s", err, out)
			}
			out, err := openssl(t, "x509", "-in", cert, "-noout", "-text", "-serial")
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, want := range append(row.want, "serial="+SerialText(r.leaf.Certificate.SerialNumber)) {
				if !strings.Contains(out, want) {
					t.Errorf("want %q in %s", want, out)
				}
			}
			for _, absent := range row.absent {
				if strings.Contains(out, absent) {
					t.Errorf("want no %q in %s", absent, out)
				}
			}
		})
	}
}
