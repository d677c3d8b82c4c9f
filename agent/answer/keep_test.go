package answer_test

import (
	"bytes"
	"crypto"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher/chain"
)

// forIssuer answers for the CA of the world, of which nothing is managed.
func (w *world) forIssuer(o *answer.Options) {
	w.Helper()
	issuer, err := chain.NewIssuer(w.pki.Intermediate.Certificate)
	if err != nil {
		w.Fatal(err)
	}
	o.ForIssuers = true
	o.Issuers = []answer.Issuer{{Issuer: issuer, Responders: []string{w.caURL}}}
}

// kept lists the files that are kept.
func (w *world) kept() []string {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.state, "answers", "*", "*"))
	if err != nil {
		w.Fatal(err)
	}
	return files
}

// eventually waits for what other goroutines do with files and the network,
// where no bubble reaches.
func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	if !w.await(what, ok) {
		w.FailNow()
	}
}

// await is eventually for other goroutines than the test's.
func (w *world) await(what string, ok func() bool) bool {
	const patience = time.Minute
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			w.Errorf("not within %v: %s", patience, what)
			return false
		case <-tick.C:
		}
	}
	return true
}

func TestAnUnknownSerialIsAskedForOnce(t *testing.T) {
	w := newWorld(t)
	// The CA answers when all have asked.
	gate := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.await("all clients wait", func() bool { return w.answerer.Snapshot().Misses >= 50 })
		w.ca.ServeHTTP(rw, r)
	}))
	defer gate.Close()
	w.serve(func(o *answer.Options) {
		w.forIssuer(o)
		o.Issuers[0].Responders = []string{gate.URL}
	})
	leaf := w.issue()
	der := w.request(leaf, crypto.SHA1)
	answers := w.postAll(slices.Repeat([][]byte{der}, 50))
	for _, a := range answers {
		w.good(a, leaf, crypto.SHA1)
		if !bytes.Equal(a.body, answers[0].body) {
			t.Error("two clients got different answers")
		}
	}
	if got := w.questions(); got != 1 {
		t.Errorf("the CA was asked %d times, want once", got)
	}
	w.good(w.get(der), leaf, crypto.SHA1)
	w.counts(answer.Counts{Hits: 1, Misses: 50, Upstream: 1, Kept: 1})
	other := w.issue()
	w.good(w.get(w.request(other, crypto.SHA1)), other, crypto.SHA1)
	if got := w.questions(); got != 2 {
		t.Errorf("the CA was asked %d times, want twice", got)
	}
}

func TestWhatIsKeptSurvivesARestartWithTheCADown(t *testing.T) {
	w := newWorld(t)
	w.serve(w.forIssuer)
	leaf, damaged := w.issue(), w.issue()
	first := w.post(w.request(leaf, crypto.SHA1))
	w.good(first, leaf, crypto.SHA1)
	w.good(w.post(w.request(damaged, crypto.SHA1)), damaged, crypto.SHA1)
	w.down()

	files := w.kept()
	if len(files) != 2 {
		t.Fatalf("kept: got %v, want two files", files)
	}
	// One of them is now what the other is: authentic, and about another
	// certificate.
	i := slices.IndexFunc(files, func(f string) bool {
		der, err := os.ReadFile(f)
		return err == nil && bytes.Equal(der, first.body)
	})
	if err := os.WriteFile(files[1-i], first.body, 0o644); err != nil {
		t.Fatal(err)
	}

	w.serve(w.forIssuer)
	again := w.post(w.request(leaf, crypto.SHA1))
	w.good(again, leaf, crypto.SHA1)
	if !bytes.Equal(again.body, first.body) {
		t.Error("got other bytes than before the restart")
	}
	w.eventually("the damaged file goes", func() bool { return len(w.kept()) == 1 })
	w.says(w.post(w.request(damaged, crypto.SHA1)), ocsp.TryLater)
}

func TestTheOtherHashIsAskedForOnItsOwn(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	w.pass()
	w.serve() // for what is managed, nothing else
	asked := w.questions()
	for range 3 {
		w.good(w.post(w.request(leaf, crypto.SHA256)), leaf, crypto.SHA256)
		w.good(w.post(w.request(leaf, crypto.SHA1)), leaf, crypto.SHA1)
	}
	if got := w.questions() - asked; got != 1 {
		t.Errorf("the CA was asked %d times, want once", got)
	}
	w.says(w.post(w.request(w.issue(), crypto.SHA256)), ocsp.Unauthorized)

	w.serve()
	w.down()
	w.good(w.post(w.request(leaf, crypto.SHA256)), leaf, crypto.SHA256)
}

func TestARevocationThatAPolicyWithholdsIsWithheldUnderBothHashes(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	w.pass()
	if err := w.ca.Revoke(leaf.Certificate.SerialNumber, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.serve()
	w.says(w.post(w.request(leaf, crypto.SHA256)), ocsp.TryLater)
}

func TestAResponderThatDoesNotKnowTheOtherHash(t *testing.T) {
	w := newWorld(t)
	leaf := w.issue()
	// It says unauthorized, or it answers as if it had been asked with SHA-1.
	r := w.pki.Intermediate.Vouch(leaf.Certificate, time.Now().Add(-time.Minute), time.Now().Add(time.Hour))
	sha1, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"unauthorized": {0x30, 0x03, 0x0a, 0x01, 0x06}, "SHA-1": sha1} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			other := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				asked++
				_, _ = rw.Write(der) // the client is here
			}))
			defer other.Close()
			w.state = t.TempDir()
			w.serve(func(o *answer.Options) {
				w.forIssuer(o)
				o.Issuers[0].Responders = []string{other.URL}
			})
			for range 3 {
				got := w.post(w.request(leaf, crypto.SHA256))
				if _, err := ocsp.ParseResponse(got.body, nil); err == nil {
					t.Errorf("got a response to another CertID than was asked about")
				}
			}
			if asked > 1 {
				t.Errorf("it was asked %d times at once", asked)
			}
			if len(w.kept()) > 0 {
				t.Errorf("kept: %v", w.kept())
			}
		})
	}
}

func TestWhatTheCASaysIsHandedOn(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault lab.Fault
		want  string
		kept  int
	}{
		{"revoked", "revoked", "revoked", 1},
		{"unknown", "unknown", "unknown", 0},
		{"unauthorized", "unauthorized", "unauthorized", 0},
		{"malformedRequest, though it was none", "malformedRequest", "unauthorized", 0},
		{"tryLater", "tryLater", "try later", 0},
		{"internalError", "internalError", "try later", 0},
		{"503", "503", "try later", 0},
		{"a page", "html", "try later", 0},
		{"badly signed", "bad-signature", "try later", 0},
		{"about another certificate", "wrong-certificate", "try later", 0},
		{"expired", "expired", "try later", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.ca.SetFault(test.fault); err != nil {
				t.Fatal(err)
			}
			w.serve(w.forIssuer)
			leaf := w.issue()
			der := w.request(leaf, crypto.SHA1)
			var asked int
			for range 3 {
				got := w.post(der)
				says := ""
				r, err := ocsp.ParseResponseForCert(got.body, leaf.Certificate, w.pki.Intermediate.Certificate)
				switch e, isError := err.(ocsp.ResponseError); {
				case err == nil:
					says = map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked", ocsp.Unknown: "unknown"}[r.Status]
				case isError:
					says = e.Status.String()
				}
				if says != test.want {
					t.Errorf("got %q (%v), want %q", says, err, test.want)
				}
				if asked == 0 {
					asked = w.questions()
				}
			}
			if got := w.questions(); got != asked {
				t.Errorf("the CA was asked %d more times at once", got-asked)
			}
			if got := len(w.kept()); got != test.kept {
				t.Errorf("got %d files, want %d", got, test.kept)
			}
		})
	}
}

func TestPurgeForgetsWhatIsKept(t *testing.T) {
	w := newWorld(t)
	w.serve(w.forIssuer)
	leaf, other := w.issue(), w.issue()
	for _, l := range []*lab.Issued{leaf, other} {
		w.good(w.post(w.request(l, crypto.SHA1)), l, crypto.SHA1)
		w.good(w.post(w.request(l, crypto.SHA256)), l, crypto.SHA256)
	}
	l, err := chain.NewLeaf(leaf.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := chain.NewIssuer(stranger.Intermediate.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := answer.Purge(w.state, issuer, l.Serial); n != 0 || err != nil {
		t.Errorf("another issuer's: got %d, %v", n, err)
	}
	if n, err := answer.Purge(w.state, nil, l.Serial); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
	if n, err := answer.Purge(t.TempDir(), nil, l.Serial); n != 0 || err != nil {
		t.Errorf("where nothing is kept: got %d, %v", n, err)
	}
	if got := len(w.kept()); got != 2 {
		t.Errorf("got %d files, want 2", got)
	}
	w.good(w.get(w.request(leaf, crypto.SHA256)), leaf, crypto.SHA256) // nothing is new to the CA

	if err := w.ca.Revoke(leaf.Certificate.SerialNumber, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	got := w.post(w.request(leaf, crypto.SHA1))
	r, err := ocsp.ParseResponseForCert(got.body, leaf.Certificate, w.pki.Intermediate.Certificate)
	if err != nil || r.Status != ocsp.Revoked {
		t.Errorf("after the purge: got %v, %v, want it asked anew", r, err)
	}
}

func TestTwoWithOneDirectoryAskOnce(t *testing.T) {
	w := newWorld(t)
	w.serve(w.forIssuer)
	leaf := w.issue()
	first := w.post(w.request(leaf, crypto.SHA1))
	w.serve(w.forIssuer)
	second := w.post(w.request(leaf, crypto.SHA1))
	if !bytes.Equal(first.body, second.body) || w.questions() != 1 {
		t.Errorf("the CA was asked %d times", w.questions())
	}
}

func TestTheNextResponderIsAskedWhenOneHasNoAnswer(t *testing.T) {
	w := newWorld(t)
	broken := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusNotFound)
	}))
	defer broken.Close()
	w.serve(func(o *answer.Options) {
		w.forIssuer(o)
		o.Issuers[0].Responders = []string{broken.URL, w.caURL}
	})
	leaf := w.issue()
	w.good(w.post(w.request(leaf, crypto.SHA1)), leaf, crypto.SHA1)
	w.counts(answer.Counts{Misses: 1, Upstream: 2, Kept: 1})
}

func TestWithoutADirectoryMemoryHasToDo(t *testing.T) {
	w := newWorld(t)
	w.state = ""
	w.serve(w.forIssuer)
	leaf := w.issue()
	for range 3 {
		w.good(w.post(w.request(leaf, crypto.SHA1)), leaf, crypto.SHA1)
	}
	if got := w.questions(); got != 1 {
		t.Errorf("the CA was asked %d times, want once", got)
	}
}

func TestAHostileClientCannotHaveTheCAAskedWithoutBound(t *testing.T) {
	w := newWorld(t)
	if err := w.ca.SetFault("unauthorized"); err != nil {
		t.Fatal(err)
	}
	w.serve(w.forIssuer)
	leaf := *w.issue().Certificate
	start := time.Now()
	const serials, atOnce = 2000, 20
	for first := 1; first <= serials; first += atOnce {
		var requests [][]byte
		for i := range atOnce {
			l := leaf
			l.SerialNumber = big.NewInt(int64(first + i))
			requests = append(requests, w.request(&lab.Issued{KeyPair: lab.KeyPair{Certificate: &l}}, crypto.SHA1))
		}
		w.postAll(requests)
	}
	most := 1000 + int64(50*(time.Since(start).Seconds()+1))
	c := w.answerer.Snapshot()
	if c.Upstream > most || c.Upstream < 1000 {
		t.Errorf("the CA was asked %d times for %d serials, want 1000 to %d", c.Upstream, serials, most)
	}
	if c.Limited != serials-c.Upstream {
		t.Errorf("%d were refused, %d asked about, want them to be %d together", c.Limited, c.Upstream, serials)
	}
	if len(w.kept()) > 0 {
		t.Errorf("kept: %v", w.kept())
	}
}
