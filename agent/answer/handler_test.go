package answer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/lab"
)

func TestAManagedCertificateIsAnsweredFromItsStaple(t *testing.T) {
	w := newWorld(t)
	leaf, text := w.manageSlashed("site.pem")
	w.pass()
	w.serve()
	w.down()
	onDisk, err := os.ReadFile(w.path("site.pem.ocsp"))
	if err != nil {
		t.Fatal(err)
	}
	der := w.request(leaf, crypto.SHA1)
	escaped := inPath(der)
	for name, r := range map[string]*http.Request{
		"POST":                        w.newRequest(http.MethodPost, "/", der),
		"POST to some path":           w.newRequest(http.MethodPost, "/ocsp/corp", der),
		"POST in chunks":              w.newRequest(http.MethodPost, "/", nil),
		"GET":                         w.newRequest(http.MethodGet, escaped, nil),
		"GET below a path":            w.newRequest(http.MethodGet, "/Main/MF/ocsp"+escaped, nil),
		"GET after two slashes":       w.newRequest(http.MethodGet, "/"+escaped, nil),
		"GET, nothing escaped":        w.newRequest(http.MethodGet, "/"+text, nil),
		"GET, only the plus":          w.newRequest(http.MethodGet, "//x/"+strings.ReplaceAll(text, "+", "%2B"), nil),
		"GET with a query behind it":  w.newRequest(http.MethodGet, escaped+"?v=1", nil),
		"GET, escaped in small print": w.newRequest(http.MethodGet, strings.ReplaceAll(strings.ReplaceAll(escaped, "%2F", "%2f"), "%2B", "%2b"), nil),
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "chunks") {
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(der)), -1
			}
			got := w.do(r)
			w.good(got, leaf, crypto.SHA1)
			if !bytes.Equal(got.body, onDisk) {
				t.Errorf("got other bytes than are on disk")
			}
		})
	}
	w.counts(answer.Counts{Hits: 10})
}

func TestAnAnswererIsAProxyForOCSPOnly(t *testing.T) {
	w := newWorld(t)
	leaf, text := w.manageSlashed("site.pem")
	w.pass()
	w.serve()
	asked := w.questions()
	der := w.request(leaf, crypto.SHA1)
	// Whoever is named would answer, if he were asked.
	victim := strings.TrimPrefix(w.caURL, "http://")
	for _, test := range []struct{ name, head, body, want string }{
		{"POST, as mod_ssl and openssl do", "POST http://ocsp.example.test/ocsp HTTP/1.0\r\nHost: ocsp.example.test\r\n", string(der), "good"},
		{"GET, as HAProxy does", "GET http://ocsp.example.test//" + text + " HTTP/1.1\r\nHost: ocsp.example.test\r\n", "", "good"},
		{"for the CA's own responder", "POST " + w.caURL + "/ HTTP/1.1\r\nHost: " + victim + "\r\n", string(der), "good"},
		{"with another Host", "POST / HTTP/1.1\r\nHost: " + victim + "\r\n", string(der), "good"},
		{"for no OCSP request", "GET " + w.caURL + "/issuer.cer HTTP/1.1\r\nHost: " + victim + "\r\n", "", "malformed"},
		{"for a page", "GET http://example.test/MAIN/index.html HTTP/1.1\r\nHost: example.test\r\n", "", "malformed"},
		{"for a tunnel", "CONNECT " + victim + " HTTP/1.1\r\nHost: " + victim + "\r\n", "", "405"},
		{"with another method", "PUT / HTTP/1.1\r\nHost: x\r\n", string(der), "405"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", test.head, len(test.body), test.body)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := answered{resp.StatusCode, resp.Header, body}
			switch test.want {
			case "good":
				w.good(got, leaf, crypto.SHA1)
			case "malformed":
				w.says(got, ocsp.Malformed)
			default:
				if fmt.Sprint(got.code) != test.want {
					t.Errorf("got HTTP %d, want %s", got.code, test.want)
				}
			}
		})
	}
	if got := w.questions(); got != asked {
		t.Errorf("the CA's responder was asked %d times", got-asked)
	}
}

func TestWhatIsNotManagedIsUnauthorized(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	w.pass()
	w.serve()
	stranger, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ocsp.CreateRequest(leaf.Certificate, stranger.Intermediate.Certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	sha512, err := ocsp.CreateRequest(leaf.Certificate, w.pki.Intermediate.Certificate, &ocsp.RequestOptions{Hash: crypto.SHA512})
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{
		"another serial of the issuer":       w.request(w.issue(), crypto.SHA1),
		"the serial of another issuer":       foreign,
		"a CertID with a hash not in use":    sha512,
		"a certificate of the issuer itself": w.request(&lab.Issued{KeyPair: lab.KeyPair{Certificate: w.pki.Intermediate.Certificate}}, crypto.SHA1),
	} {
		t.Run(name, func(t *testing.T) {
			w.says(w.post(der), ocsp.Unauthorized)
			w.says(w.get(der), ocsp.Unauthorized)
		})
	}
	w.counts(answer.Counts{Foreign: 8})
}

// TestACertificateWithoutAnAnswerIsUnauthorized: "try later" is for what there may
// be an answer about.
func TestACertificateWithoutAnAnswerIsUnauthorized(t *testing.T) {
	w := newWorld(t)
	silent := w.manage("silent.pem", func(o *lab.IssueOptions) { o.Responders = []string{} })
	expired := w.manage("expired.pem", func(o *lab.IssueOptions) { o.NotAfter = time.Now().Add(-time.Minute) })
	early := w.manage("early.pem", func(o *lab.IssueOptions) { o.NotBefore = time.Now().Add(time.Hour) })
	w.manage("good.pem")
	w.pass()
	for _, issuers := range []bool{false, true} {
		w.serve(func(o *answer.Options) { o.ForIssuers = issuers })
		asked := w.questions()
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			w.says(w.post(w.request(silent, hash)), ocsp.Unauthorized)
			w.says(w.post(w.request(expired, hash)), ocsp.Unauthorized)
			w.says(w.post(w.request(early, hash)), ocsp.TryLater)
		}
		if got := w.questions(); got != asked {
			t.Errorf("the CA's responder was asked %d times", got-asked)
		}
	}
}

// TestAMustStapleCertificateIsAnsweredForUntilTheLastMoment: as long as its staple
// stays on disk.
func TestAMustStapleCertificateIsAnsweredForUntilTheLastMoment(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem", func(o *lab.IssueOptions) { o.MustStaple = true })
	w.pass()
	w.serve()
	for left, ok := range map[time.Duration]bool{4 * time.Minute: true, 30 * time.Second: false} {
		now := time.Now()
		r := w.pki.Intermediate.Vouch(leaf.Certificate, now.Add(-time.Hour), now.Add(left))
		r.ProducedAt = now
		der, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		w.write("site.pem.ocsp", der)
		if got := w.post(w.request(leaf, crypto.SHA1)); ok {
			w.good(got, leaf, crypto.SHA1)
		} else {
			w.says(got, ocsp.TryLater)
		}
	}
}

// TestWhoWantsToSendTooMuchIsToldBeforeHeDoes: RFC 9110 section 10.1.1.
func TestWhoWantsToSendTooMuchIsToldBeforeHeDoes(t *testing.T) {
	w := newWorld(t)
	w.serve()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if want := "HTTP/1.1 413 Request Entity Too Large\r\n"; err != nil || line != want {
		t.Errorf("got %q, %v, want %q", line, err, want)
	}
}

func TestWhatIsNoRequestIsMalformed(t *testing.T) {
	w := newWorld(t)
	w.serve()
	der := w.request(w.issue(), crypto.SHA1)
	for name, got := range map[string]answered{
		"POST of nothing":          w.post(nil),
		"POST of text":             w.post([]byte("hello")),
		"POST of half a request":   w.post(der[:len(der)-1]),
		"POST of more than one":    w.post(append(bytes.Clone(der), 0)),
		"POST of a response":       w.post([]byte{0x30, 0x03, 0x0a, 0x01, 0x03}),
		"GET of nothing":           w.do(w.newRequest(http.MethodGet, "/", nil)),
		"GET of half a request":    w.get(der[:len(der)-1]),
		"GET of many guesses":      w.do(w.newRequest(http.MethodGet, strings.Repeat("/M", 2000), nil)),
		"GET, not even escaped":    w.do(w.newRequest(http.MethodGet, "/MEUw@@", nil)),
		"GET, the request a query": w.do(w.newRequest(http.MethodGet, "/?"+inPath(der)[1:], nil)),
	} {
		t.Run(name, func(t *testing.T) {
			if got.code != http.StatusOK {
				t.Errorf("got HTTP %d, want 200: clients do not read the status otherwise", got.code)
			}
			w.says(got, ocsp.Malformed)
		})
	}
	large := w.post(make([]byte, 1<<20))
	if large.code != http.StatusRequestEntityTooLarge {
		t.Errorf("POST of a megabyte: got HTTP %d", large.code)
	}
	w.says(large, ocsp.Malformed)
	w.counts(answer.Counts{Malformed: 11})
}

func TestBeforeTheFirstPassNobodyIsTurnedAway(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	known := make(chan struct{})
	w.start(answer.New(answer.Options{Certificates: complete{w.index, known}, Client: w.client, Lanes: w.lanes(), Log: w.log}))
	w.says(w.post(w.request(leaf, crypto.SHA1)), ocsp.TryLater)
	w.pass()
	w.good(w.post(w.request(leaf, crypto.SHA1)), leaf, crypto.SHA1)
	other := w.request(w.issue(), crypto.SHA1)
	w.says(w.post(other), ocsp.TryLater)
	close(known)
	w.says(w.post(other), ocsp.Unauthorized)
}

func TestOnlyAStapleThatVerifiesIsGivenOut(t *testing.T) {
	w := newWorld(t)
	leaf, other := w.manage("site.pem"), w.manage("other.pem")
	w.pass()
	w.serve()
	read := func(name string) []byte {
		data, err := os.ReadFile(w.path(name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good, wrong := read("site.pem.ocsp"), read("other.pem.ocsp")
	sign := func(change func(*lab.Response)) []byte {
		now := time.Now()
		r := w.pki.Intermediate.Vouch(leaf.Certificate, now.Add(-time.Hour), now.Add(time.Hour))
		r.ProducedAt = now
		change(&r)
		der, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	der := w.request(leaf, crypto.SHA1)
	for _, test := range []struct {
		name string
		file []byte
		ok   bool
	}{
		{"as it should be", good, true},
		{"of another certificate", wrong, false},
		{"again as it should be", good, true},
		{"the placeholder", []byte{0x30, 0x03, 0x0a, 0x01, 0x03}, false},
		{"empty", nil, false},
		{"signed by the wrong key", sign(func(r *lab.Response) { r.Signer.Key = other.Key }), false},
		{"ended", sign(func(r *lab.Response) { r.Singles[0].NextUpdate = time.Now().Add(-time.Minute) }), false},
		{"about to end", sign(func(r *lab.Response) { r.Singles[0].NextUpdate = time.Now().Add(4 * time.Minute) }), false},
		{"with a while to go", sign(func(r *lab.Response) { r.Singles[0].NextUpdate = time.Now().Add(6 * time.Minute) }), true},
		{"revoked, against the policy", sign(func(r *lab.Response) {
			r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, time.Now().Add(-time.Hour)
		}), false},
		{"much too large", append(bytes.Clone(good), make([]byte, 100<<10)...), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.write("site.pem.ocsp", test.file)
			got := w.post(der)
			if test.ok {
				w.good(got, leaf, crypto.SHA1)
				return
			}
			w.says(got, ocsp.TryLater)
		})
	}
	w.good(w.post(w.request(other, crypto.SHA1)), other, crypto.SHA1)
	if err := os.Remove(w.path("site.pem.ocsp")); err != nil {
		t.Fatal(err)
	}
	w.says(w.post(der), ocsp.TryLater)
}

// TestFIFOInAStaplesPlaceKeepsNobodyWaiting: to open one waits until somebody
// writes to it, which may be never.
func TestFIFOInAStaplesPlaceKeepsNobodyWaiting(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	w.look()
	if err := syscall.Mkfifo(w.path("site.pem.ocsp"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.serve()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := exchange(w.newRequest(http.MethodPost, "/", w.request(leaf, crypto.SHA1)).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	w.says(got, ocsp.TryLater)
}

func TestAPolicyMayPublishARevocation(t *testing.T) {
	w := newWorld(t)
	w.policy.OnRevoked = agent.Publish
	leaf := w.manage("site.pem")
	w.pass()
	w.serve()
	w.good(w.post(w.request(leaf, crypto.SHA1)), leaf, crypto.SHA1)
	if err := w.ca.Revoke(leaf.Certificate.SerialNumber, "keyCompromise", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.pass()
	got := w.post(w.request(leaf, crypto.SHA1))
	r, err := ocsp.ParseResponseForCert(got.body, leaf.Certificate, w.pki.Intermediate.Certificate)
	if err != nil || r.Status != ocsp.Revoked {
		t.Errorf("got %v, %v, want revoked", r, err)
	}
}

func TestTheNewestOfSeveralStaplesIsGivenOut(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	w.write("copy.pem", leaf.ChainPEM())
	w.pass()
	signed := func(age time.Duration) []byte {
		r := w.pki.Intermediate.Vouch(leaf.Certificate, time.Now().Add(-age), time.Now().Add(time.Hour))
		r.ProducedAt = time.Now()
		der, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	old, fresh := signed(time.Hour), signed(time.Minute)
	w.serve()
	for _, name := range []string{"site.pem.ocsp", "copy.pem.ocsp"} {
		w.write("site.pem.ocsp", fresh)
		w.write("copy.pem.ocsp", fresh)
		w.write(name, old)
		if got := w.post(w.request(leaf, crypto.SHA1)); !bytes.Equal(got.body, fresh) {
			t.Errorf("%s is old: got it, want the other one", name)
		}
	}
}

func TestARenewedCertificateDoesNotGetTheOldStaple(t *testing.T) {
	w := newWorld(t)
	old := w.manage("site.pem")
	w.pass()
	w.serve()
	w.good(w.post(w.request(old, crypto.SHA1)), old, crypto.SHA1)
	renewed := w.manage("site.pem")
	w.look()
	w.says(w.post(w.request(renewed, crypto.SHA1)), ocsp.TryLater)
	w.pass()
	w.good(w.post(w.request(renewed, crypto.SHA1)), renewed, crypto.SHA1)
}

func TestAClientHasARate(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	w.pass()
	w.serve(func(o *answer.Options) { o.Rate = 0.001 })
	der := w.request(leaf, crypto.SHA1)
	for range 10 {
		w.good(w.post(der), leaf, crypto.SHA1)
	}
	got := w.post(der)
	w.says(got, ocsp.TryLater)
	if got.code != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("got HTTP %d, Retry-After %q", got.code, got.header.Get("Retry-After"))
	}
	w.counts(answer.Counts{Hits: 10, Limited: 1})
}
