package responder

import (
	"crypto"
	"errors"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent/lab"
)

func TestForwardSendsTheRequestAsItIs(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{EchoNonce: true})
	for _, row := range []struct {
		name   string
		octets int // of the nonce
		method string
	}{
		{"short, so by GET", 8, "GET"},
		{"long, so by POST", 120, "POST"},
	} {
		t.Run(row.name, func(t *testing.T) {
			nonce := strings.Repeat("n", row.octets)
			der, err := encodeRequest(w.chain, crypto.SHA256, []byte(nonce))
			if err != nil {
				t.Fatal(err)
			}
			a, err := w.client.Forward(t.Context(), Query{URL: w.url}, der)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := responseNonce(a.DER); !ok || string(got) != nonce {
				t.Errorf("got nonce %q, want the one that was sent", got)
			}
			if a.Method != row.method || a.Took <= 0 {
				t.Errorf("got %+v", a)
			}
			if got := w.last(t); string(got.DER) != string(der) || got.Hash != crypto.SHA256 {
				t.Errorf("sent %x, want %x", got.DER, der)
			}
		})
	}
	if _, err := w.client.Forward(t.Context(), Query{URL: "ldap://x/"}, nil); err == nil || !errors.As(err, new(*Error)) {
		t.Errorf("got %v for a URL that cannot be asked", err)
	}
}
