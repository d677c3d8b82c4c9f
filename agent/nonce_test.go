package agent_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

// mixesUp stands before a responder and changes the nonce of each request, so
// that what comes back is the answer to another one.
func mixesUp(t *testing.T, r http.Handler) (address string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		der, err := io.ReadAll(req.Body)
		if req.Method == http.MethodGet {
			text, _ := url.PathUnescape(req.URL.EscapedPath()[1:])
			der, err = base64.StdEncoding.DecodeString(text)
		}
		if err != nil || len(der) < 32 {
			t.Errorf("request: %v", err)
		}
		der[len(der)-1] ^= 1 // the nonce is the last thing in it
		other := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(der))
		other.Header.Set("Content-Type", "application/ocsp-request")
		r.ServeHTTP(w, other)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestAnswerWithAnotherNonceIsRefused(t *testing.T) {
	w := newWorld(t)
	r, err := lab.NewResponder(lab.ResponderOptions{CA: w.pki.Intermediate, EchoNonce: true, Backdate: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	u, asked := mixesUp(t, r)
	w.group = func(g *agent.Group) { g.Responder = u }
	w.options = func(o *agent.Options) {
		o.Asking = func(string) agent.Asking { return agent.Asking{Nonce: true} }
	}
	w.issue("site.pem", lab.IssueOptions{})
	got := w.once("generic")["site.pem"]
	if got.State != agent.Missing || got.Reason != "no-match" {
		t.Errorf("state %q, reason %q (%s), want none and no-match", got.State, got.Reason, got.Error)
	}
	// Another hash would not help.
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}
