package agent_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// certsOnly is a PKCS#7 message that holds certificates (RFC 2315 section 9.1).
func certsOnly(certs ...[]byte) []byte {
	tlv := func(tag byte, parts ...[]byte) []byte {
		content := bytes.Join(parts, nil)
		n := len(content) // two octets hold it
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content...)
	}
	oid := func(last byte) []byte {
		return []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, last}
	}
	short := func(tag byte, content ...byte) []byte { return append([]byte{tag, byte(len(content))}, content...) }
	signed := tlv(0x30, short(0x02, 1), short(0x31), short(0x30, oid(1)...), tlv(0xa0, certs...), short(0x31))
	return tlv(0x30, oid(2), tlv(0xa0, signed))
}

func TestMissingIssuerIsFetchedAndKept(t *testing.T) {
	w := newWorld(t)
	for name, body := range map[string][]byte{
		"DER": w.pki.Intermediate.Certificate.Raw,
		"PEM": append(w.pki.Root.CertPEM(), w.pki.Intermediate.CertPEM()...),

		"PKCS#7, certs-only": certsOnly(w.pki.Root.Certificate.Raw, w.pki.Intermediate.Certificate.Raw),
		"PKCS#7 in PEM":      pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: certsOnly(w.pki.Intermediate.Certificate.Raw)}),
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
	w.options = func(o *agent.Options) { o.LookOnly = true }
	if later := w.once("generic")["site.pem"]; later.State != agent.NoIssuer || later.Error != got.Error {
		t.Errorf("from disk: state %q, error %q, want what was found before: %q", later.State, later.Error, got.Error)
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

func TestOneDownloadServesAllLeavesOfAnIssuer(t *testing.T) {
	w := newWorld(t)
	url, count := hands(t, w.pki.Intermediate.Certificate.Raw)
	var told atomic.Int64
	w.options = func(o *agent.Options) {
		o.Asked = func(x agent.Attempt) {
			if strings.HasSuffix(url, x.Responder+"/ca.cer") && x.Reason == "good" && x.Took > 0 {
				told.Add(1)
			}
		}
	}
	for i := range 50 {
		name := fmt.Sprintf("c%d.pem", i)
		w.write(name, w.issue(name, lab.IssueOptions{CAIssuers: []string{url}}).CertPEM())
	}
	for name, c := range w.once("generic") {
		if c.State != agent.Fresh {
			t.Errorf("%s: state %q (%s), want fresh", name, c.State, c.Error)
		}
	}
	if count() != 1 || told.Load() != 1 {
		t.Errorf("fetched %d times, metrics were told of %d, want once", count(), told.Load())
	}
}

func TestLeavesThatAnotherHasSignedDoNotStandInTheWay(t *testing.T) {
	w := newWorld(t)
	url, _ := hands(t, w.pki.Intermediate.Certificate.Raw)
	stranger := w.another(t)
	for i := range 20 { // one of them comes first, most likely
		odd, err := stranger.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"odd.example.test"}, CAIssuers: []string{url}})
		if err != nil {
			t.Fatal(err)
		}
		w.write(fmt.Sprintf("odd%d.pem", i), odd.CertPEM())
	}
	w.write("site.pem", w.issue("site.pem", lab.IssueOptions{CAIssuers: []string{url}}).CertPEM())
	for name, c := range w.once("generic") {
		want := agent.NoIssuer
		if name == "site.pem" {
			want = agent.Fresh
		}
		if c.State != want {
			t.Errorf("%s: state %q (%s), want %q", name, c.State, c.Error, want)
		}
	}
}

func TestIssuerHostThatWantsToBeLeftAloneIs(t *testing.T) {
	w := newWorld(t)
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		rw.Header().Set("Retry-After", "3600")
		rw.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	for i := range 50 { // each with a URL of its own
		name := fmt.Sprintf("c%d.pem", i)
		w.write(name, w.issue(name, lab.IssueOptions{CAIssuers: []string{fmt.Sprintf("%s/%d", s.URL, i)}}).CertPEM())
	}
	a := w.run("generic")
	eventually(t, "all have their outcome", func() bool {
		certs := a.Certificates(t.Context())
		for _, c := range certs {
			if c.State != agent.NoIssuer {
				return false
			}
		}
		return len(certs) == 50
	})
	if n := asked.Load(); n > 4 {
		t.Errorf("asked %d times, want no more than were on their way at first", n)
	}
	for _, r := range a.Responders() {
		if r.State != "held" || time.Until(r.Until) > time.Hour {
			t.Errorf("got %+v, want it held", r)
		}
	}
}
