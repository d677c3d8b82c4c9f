package responder

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher/chain"
	"golang.org/x/crypto/ocsp"
)

func TestRequestIsWhatOthersMake(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	for _, hash := range []crypto.Hash{0, crypto.SHA1, crypto.SHA256} {
		got, err := encodeRequest(w.chain, hash, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ocsp.CreateRequest(w.issued.Certificate, w.chain.Issuer.Certificate,
			&ocsp.RequestOptions{Hash: hash})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("hash %v: got %x, want %x", hash, got, want)
		}
	}
}

func TestRequestKeepsTheSerialsOctets(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	for _, serial := range []string{"\x00", "\x00\x00\x01", "\xff\x80", "\x7f", "\x00\xff"} {
		der, err := encodeRequest(&chain.Chain{Leaf: &chain.Leaf{Serial: serial}, Issuer: w.chain.Issuer}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := append([]byte{2, byte(len(serial))}, serial...); !bytes.HasSuffix(der, want) {
			t.Errorf("serial %x: the request %x does not end in it", serial, der)
		}
	}
}

func TestRequestIsRefusedWithout(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	good := w.chain
	for _, row := range []struct {
		name  string
		chain *chain.Chain
		hash  crypto.Hash
	}{
		{name: "a chain"},
		{name: "an issuer", chain: &chain.Chain{Leaf: good.Leaf}},
		{name: "a leaf", chain: &chain.Chain{Issuer: good.Issuer}},
		{name: "a serial", chain: &chain.Chain{Leaf: &chain.Leaf{}, Issuer: good.Issuer}},
		{name: "a hash that is in use", chain: good, hash: crypto.SHA512},
	} {
		t.Run(row.name, func(t *testing.T) {
			askError(t, w.client, Query{URL: w.url, Chain: row.chain, Hash: row.hash}, KindRequest)
		})
	}
}

func TestNonceIsFreshAndComparedWithTheAnswers(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{EchoNonce: true})
	q := w.query()
	q.Nonce = true
	var sent [][]byte
	for range 2 {
		if a := ask(t, w.client, q); a.Nonce != NonceEchoed {
			t.Errorf("nonce: got %q, want %q", a.Nonce, NonceEchoed)
		}
		sent = append(sent, w.last(t).Nonce)
		if got := len(w.last(t).Nonce); got != 32 {
			t.Errorf("nonce has %d octets, want 32 (RFC 9654)", got)
		}
	}
	if bytes.Equal(sent[0], sent[1]) {
		t.Errorf("the same nonce twice: %x", sent[0])
	}

	// A cache that gives everybody the answer to the first one's request.
	first := ask(t, w.client, q)
	q.URL = serve(t, bodyHandler(first.DER))
	if a := ask(t, w.client, q); a.Nonce != NonceDiffers {
		t.Errorf("nonce of another request: got %q, want %q", a.Nonce, NonceDiffers)
	}
}

func TestNonceThatIsIgnoredIsAbsent(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	q := w.query()
	if a := ask(t, w.client, q); a.Nonce != NonceUnasked || w.last(t).Nonce != nil {
		t.Errorf("without being told to: sent %x, result %q", w.last(t).Nonce, a.Nonce)
	}
	q.Nonce = true
	if a := ask(t, w.client, q); a.Nonce != NonceAbsent {
		t.Errorf("nonce: got %q, want %q", a.Nonce, NonceAbsent)
	}
}
