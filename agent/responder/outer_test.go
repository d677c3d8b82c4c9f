package responder

import (
	"net/http"
	"testing"

	"github.com/restaple/restaple/agent/lab"
)

func bodyHandler(body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = w.Write(body)
	})
}

func TestOuterStatusTellsAnAnswerFromAWebPage(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	good := ask(t, w.client, w.query()).DER
	for _, row := range []struct {
		name   string
		der    []byte
		status int
		ok     bool
	}{
		{"successful", good, 0, true},
		{"tryLater", []byte{0x30, 3, 10, 1, 3}, 3, true},
		{"malformedRequest", []byte{0x30, 3, 10, 1, 1}, statusMalformedRequest, true},
		{"nothing", nil, 0, false},
		{"a page", []byte("<!DOCTYPE html>"), 0, false},
		{"cut", good[:len(good)-1], 0, false},
		{"something after it", append(good[:len(good):len(good)], 0), 0, false},
		{"something after the status", []byte{0x30, 5, 10, 1, 3, 5, 0}, 0, false},
		{"a negative status", []byte{0x30, 3, 10, 1, 0xff}, 0, false},
		{"an empty sequence", []byte{0x30, 0}, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, ok := outerStatus(row.der)
			if ok != row.ok || ok && status != row.status {
				t.Errorf("got %d, %v, want %d, %v", status, ok, row.status, row.ok)
			}
		})
	}
}

func FuzzOuter(f *testing.F) {
	w := newWorld(f, lab.ResponderOptions{EchoNonce: true})
	q := w.query()
	q.Nonce = true
	f.Add(ask(f, w.client, q).DER)
	f.Add([]byte{0x30, 3, 10, 1, 3})
	f.Add([]byte("<html>"))
	f.Add([]byte{0x30, 0x0b, 10, 1, 0, 0xa0, 6, 0x30, 4, 6, 0, 4, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		status, ok := outerStatus(der)
		if ok && (status < 0 || der[0] != 0x30) {
			t.Errorf("%x has status %d", der, status)
		}
		if nonce, ok := responseNonce(der); ok && len(nonce) >= len(der) {
			t.Errorf("%x has nonce %x", der, nonce)
		}
	})
}

func TestNonceIsFoundInAResponse(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{EchoNonce: true})
	q := w.query()
	q.Nonce = true
	a := ask(t, w.client, q)
	got, ok := responseNonce(a.DER)
	if want := w.last(t).Nonce; !ok || string(got) != string(want) {
		t.Errorf("got %x, %v, want %x", got, ok, want)
	}
	for i := range a.DER {
		responseNonce(a.DER[:i]) // must not panic
	}
}
