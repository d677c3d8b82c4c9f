package lab

import (
	"bytes"
	"crypto"
	"net/http"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

func BenchmarkIssue(b *testing.B) {
	pki, err := NewPKI(PKIOptions{})
	if err != nil {
		b.Fatal(err)
	}
	key, err := NewKey(ECDSA)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := pki.Intermediate.Issue(IssueOptions{Names: []string{"site.test"}, Key: key}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAnswer measures the responder without HTTP: a first answer, which
// is signed, and the same once more, which is not.
func BenchmarkAnswer(b *testing.B) {
	pki, err := NewPKI(PKIOptions{})
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := pki.Intermediate.Issue(IssueOptions{})
	if err != nil {
		b.Fatal(err)
	}
	responder, err := NewResponder(ResponderOptions{CA: pki.Intermediate})
	if err != nil {
		b.Fatal(err)
	}
	der, err := ocsp.CreateRequest(leaf.Certificate, pki.Intermediate.Certificate, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		b.Fatal(err)
	}
	answer := func(b *testing.B) {
		if _, _, err := responder.answer(der, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("signed", func(b *testing.B) {
		for b.Loop() {
			responder.Renew()
			answer(b)
		}
	})
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			answer(b)
		}
	})
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

func BenchmarkServeHTTP(b *testing.B) {
	pki, err := NewPKI(PKIOptions{})
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := pki.Intermediate.Issue(IssueOptions{})
	if err != nil {
		b.Fatal(err)
	}
	responder, err := NewResponder(ResponderOptions{CA: pki.Intermediate})
	if err != nil {
		b.Fatal(err)
	}
	der, err := ocsp.CreateRequest(leaf.Certificate, pki.Intermediate.Certificate, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://lab.test/", bytes.NewReader(der))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/ocsp-request")
		responder.ServeHTTP(nowhere{make(http.Header)}, req)
	}
}
