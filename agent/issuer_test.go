package agent_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

// hands serves bytes as a CA serves its certificate, and counts.
func hands(t *testing.T, body []byte) (url string, count func() int) {
	t.Helper()
	n := make(chan int, 1)
	n <- 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n <- <-n + 1
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/ca.cer", func() int { v := <-n; n <- v; return v }
}

func TestMissingIssuerIsFetchedAndKept(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string][]byte{
		"DER": w.pki.Intermediate.Certificate.Raw,
		"PEM": append(w.pki.Root.CertPEM(), w.pki.Intermediate.CertPEM()...),
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, dir: t.TempDir(), state: t.TempDir(), told: new(recorder), pki: w.pki, responder: w.responder, url: w.url}
			url, asked := hands(t, body)
			issued := w.issue("site.pem", lab.IssueOptions{CAIssuers: []string{url}})
			w.write("site.pem", issued.CertPEM())
			if got := w.once("generic")["site.pem"]; got.State != agent.Fresh {
				t.Fatalf("state %q (%s), want fresh", got.State, got.Error)
			}
			w.once("generic")
			if asked() != 1 {
				t.Errorf("the issuer was fetched %d times, want once", asked())
			}
			kept, err := filepath.Glob(filepath.Join(w.state, "issuers", "*.pem"))
			if err != nil || len(kept) != 1 {
				t.Errorf("kept: %v, %v, want one file", kept, err)
			}
		})
	}
}

func TestDryRunFindsTheIssuersThatAreKept(t *testing.T) {
	w := newWorld(t)
	url, asked := hands(t, w.pki.Intermediate.Certificate.Raw)
	issued := w.issue("site.pem", lab.IssueOptions{CAIssuers: []string{url}})
	w.write("site.pem", issued.CertPEM())
	w.once("generic")
	w.options = func(o *agent.Options) { o.DryRun = true }
	if got := w.once("generic")["site.pem"]; got.State != agent.Fresh || asked() != 1 {
		t.Errorf("state %q (%s), issuer fetched %d times, want fresh and once", got.State, got.Error, asked())
	}
}

func TestIssuerThatDidNotSignIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	twin, err := lab.NewPKI(lab.PKIOptions{}) // the same names, other keys
	if err != nil {
		t.Fatal(err)
	}
	url, _ := hands(t, twin.Intermediate.Certificate.Raw)
	issued := w.issue("site.pem", lab.IssueOptions{CAIssuers: []string{url}})
	w.write("site.pem", issued.CertPEM())
	got := w.once("generic")["site.pem"]
	if got.State != agent.NoIssuer || got.Error == "" {
		t.Errorf("state %q, error %q, want no-issuer and why", got.State, got.Error)
	}
	kept, err := os.ReadDir(filepath.Join(w.state, "issuers"))
	if err != nil || len(kept) != 0 {
		t.Errorf("kept: %v, %v, want nothing", kept, err)
	}
	if w.responder.Received() != 0 {
		t.Error("a request was made with an issuer that did not sign")
	}
}

func TestFirstIssuerURLMayFail(t *testing.T) {
	w := newWorld(t)
	bad, _ := hands(t, []byte("<html>sign in, please</html>"))
	good, _ := hands(t, w.pki.Intermediate.Certificate.Raw)
	issued := w.issue("site.pem", lab.IssueOptions{CAIssuers: []string{bad, good}})
	w.write("site.pem", issued.CertPEM())
	if got := w.once("generic")["site.pem"]; got.State != agent.Fresh {
		t.Errorf("state %q (%s), want fresh", got.State, got.Error)
	}
}
