package answer_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent/lab"
)

// TestOpenSSLIsAnswered asks as people do who try it out, or warm it up.
func TestOpenSSLIsAnswered(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "openssl") {
			t.Fatal(err)
		}
		t.Skip("openssl is not installed")
	}
	w := newWorld(t, func(o *lab.ResponderOptions) { o.EchoNonce = true })
	leaf := w.issue()
	w.serve(w.forIssuer)
	dir := t.TempDir()
	file := func(name string, pem []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	common := []string{"ocsp", "-url", w.url + "/",
		"-CAfile", file("root.pem", w.pki.Root.CertPEM()), "-issuer", file("issuer.pem", w.pki.Intermediate.CertPEM())}
	cert := file("leaf.pem", leaf.CertPEM())
	for name, args := range map[string][]string{
		"without a nonce":       {"-no_nonce", "-cert", cert},
		"with a nonce":          {"-cert", cert},
		"with a proxy's URL":    {"-no_nonce", "-cert", cert, "-path", "http://ocsp.example.test/ocsp"},
		"with SHA-256":          {"-no_nonce", "-sha256", "-cert", cert},
		"about two of them":     {"-no_nonce", "-cert", cert, "-cert", file("other.pem", w.issue().CertPEM())},
		"by serial":             {"-no_nonce", "-serial", "0x" + lab.SerialText(leaf.Certificate.SerialNumber)},
		"with the Host of else": {"-no_nonce", "-cert", cert, "-header", "Host=ocsp.example.test"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "openssl", append(slices.Clone(common), args...)...).CombinedOutput()
			said := string(out)
			if err != nil || !strings.Contains(said, "Response verify OK") || !strings.Contains(said, ": good") {
				t.Errorf("%v\n%s", err, said)
			}
			if strings.Contains(said, "no nonce in response") {
				t.Errorf("got no nonce\n%s", said)
			}
		})
	}
	// Whatever openssl has asked about is there from then on.
	w.down()
	out, err := exec.CommandContext(t.Context(), "openssl", append(slices.Clone(common), "-no_nonce", "-cert", cert)...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), ": good") {
		t.Errorf("with the CA's responder down: %v\n%s", err, out)
	}
}
