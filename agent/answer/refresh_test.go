package answer_test

import (
	"bytes"
	"crypto"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/lab"
)

func TestAnOlderAnswerDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leaf := w.issue()
	now := time.Now()
	var says [2][]byte // one is newer, the other ends later
	for i, age := range []time.Duration{15 * time.Second, 16 * time.Second} {
		r := w.pki.Intermediate.Vouch(leaf.Certificate, now.Add(-age), now.Add(age*5/3))
		r.ProducedAt = now
		der, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		says[i] = der
	}
	var asked atomic.Int64
	cache := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write(says[min(asked.Add(1), 2)-1]) // the client is here
	}))
	defer cache.Close()
	w.serve(func(o *answer.Options) {
		w.forIssuer(o)
		o.Issuers[0].Responders = []string{cache.URL}
	})
	w.good(w.post(w.request(leaf, crypto.SHA1)), leaf, crypto.SHA1)
	// It is asked a third time when the answer to the second is dealt with.
	w.eventually("it is refreshed twice", func() bool { return asked.Load() > 2 })
	again := w.post(w.request(leaf, crypto.SHA1))
	if !bytes.Equal(again.body, says[0]) {
		t.Error("got another answer, though it is older")
	}
}

func TestWhatIsKeptIsKeptFresh(t *testing.T) {
	t.Parallel()
	// The middle of its life is seconds away, and its end much later.
	w := newWorld(t, func(o *lab.ResponderOptions) {
		o.Validity, o.Step, o.Backdate = 40*time.Second, time.Second, 15*time.Second
	})
	w.serve(w.forIssuer)
	leaf := w.issue()
	first := w.good(w.post(w.request(leaf, crypto.SHA1)), leaf, crypto.SHA1)
	w.eventually("nobody asks, and there is a newer one", func() bool {
		files := w.kept()
		if len(files) != 1 {
			return false
		}
		der, err := os.ReadFile(files[0])
		if err != nil {
			return false
		}
		r, err := ocsp.ParseResponseForCert(der, leaf.Certificate, w.pki.Intermediate.Certificate)
		return err == nil && r.ThisUpdate.After(first.ThisUpdate)
	})
}

func TestWhoWaitsForARefreshOfWhatIsPurgedIsAnswered(t *testing.T) {
	t.Parallel()
	// The middle of its life is seconds away, and its end much later.
	w := newWorld(t, func(o *lab.ResponderOptions) {
		o.Validity, o.Step, o.Backdate = 40*time.Second, time.Minute, 15*time.Second
	})
	leaf := w.issue()
	der := w.request(leaf, crypto.SHA1)
	waiting := make(chan answered, 1)
	var conditional atomic.Bool
	ca := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == "" || conditional.Swap(true) {
			w.ca.ServeHTTP(rw, r)
			return
		}
		// It is purged while it is refreshed, and then a client comes.
		for _, path := range w.kept() {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
		misses := w.answerer.Snapshot().Misses
		ask := w.newRequest(http.MethodPost, "/", der)
		go func() {
			a, err := exchange(ask)
			if err != nil {
				t.Error(err)
			}
			waiting <- a
		}()
		w.await("the client waits", func() bool { return w.answerer.Snapshot().Misses > misses })
		rw.WriteHeader(http.StatusNotModified)
	}))
	defer ca.Close()
	w.serve(func(o *answer.Options) {
		w.forIssuer(o)
		o.Issuers[0].Responders = []string{ca.URL}
	})
	w.good(w.post(der), leaf, crypto.SHA1)
	w.good(<-waiting, leaf, crypto.SHA1)
}
