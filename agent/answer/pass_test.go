package answer_test

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/lab"
)

func TestARequestWithANonceIsPassedOn(t *testing.T) {
	w := newWorld(t, func(o *lab.ResponderOptions) { o.EchoNonce = true })
	leaf := w.manage("site.pem")
	w.pass()
	w.serve(func(o *answer.Options) { o.ForIssuers = true })
	asked := w.questions()
	nonce := bytes.Repeat([]byte("n"), 32)
	for i := range 2 {
		got := w.post(w.multi(nonce, leaf))
		w.good(got, leaf, crypto.SHA1)
		if !bytes.Contains(got.body, nonce) || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %x, %v, want the nonce in it, and nobody to keep it", got.body, got.header)
		}
		if got, want := w.questions()-asked, i+1; got != want {
			t.Errorf("the CA was asked %d times, want %d", got, want)
		}
	}
	if files := w.kept(); len(files) > 0 {
		t.Errorf("kept: %v", files)
	}
	w.counts(answer.Counts{Upstream: 2, Passed: 2})
	w.down()
	got := w.post(w.multi(nonce, leaf))
	w.good(got, leaf, crypto.SHA1)
	if bytes.Contains(got.body, nonce) {
		t.Error("got a nonce from nobody")
	}
}

func TestAPolicyHoldsForRequestsThatArePassedOn(t *testing.T) {
	for policy, want := range map[string]string{agent.Withdraw: "try later", agent.Publish: "revoked"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, func(o *lab.ResponderOptions) { o.EchoNonce = true })
			w.policy.OnRevoked = policy
			leaf := w.manage("site.pem")
			w.pass()
			if err := w.ca.Revoke(leaf.Certificate.SerialNumber, "", time.Now()); err != nil {
				t.Fatal(err)
			}
			w.serve(func(o *answer.Options) { o.ForIssuers = true })
			got := w.post(w.multi([]byte("nonce"), leaf))
			if want == "try later" {
				w.says(got, ocsp.TryLater)
				return
			}
			r, err := ocsp.ParseResponseForCert(got.body, leaf.Certificate, w.pki.Intermediate.Certificate)
			if err != nil || r.Status != ocsp.Revoked {
				t.Errorf("got %v, %v, want it revoked", r, err)
			}
		})
	}
}

func TestOnlyForIssuersIsANoncePassedOn(t *testing.T) {
	w := newWorld(t, func(o *lab.ResponderOptions) { o.EchoNonce = true })
	leaf := w.manage("site.pem")
	w.pass()
	w.serve()
	asked := w.questions()
	w.good(w.post(w.multi([]byte("nonce"), leaf)), leaf, crypto.SHA1)
	w.says(w.post(w.multi(nil, leaf, leaf)), ocsp.Unauthorized)
	if got := w.questions(); got != asked {
		t.Errorf("the CA was asked %d times", got-asked)
	}
}

func TestARequestAboutSeveralIsPassedOn(t *testing.T) {
	w := newWorld(t)
	w.serve(w.forIssuer)
	leaf, other := w.issue(), w.issue()
	got := w.post(w.multi(nil, leaf, other))
	for _, l := range []*lab.Issued{leaf, other} {
		w.good(got, l, crypto.SHA1)
	}
	if files := w.kept(); len(files) > 0 {
		t.Errorf("kept: %v", files)
	}
	stranger, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := stranger.Intermediate.Issue(lab.IssueOptions{Names: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	w.says(w.post(w.multi(nil, leaf, foreign)), ocsp.Unauthorized)
	w.says(w.post(w.multi(nil, foreign)), ocsp.Unauthorized)
	if err := w.ca.SetFault("bad-signature"); err != nil {
		t.Fatal(err)
	}
	w.says(w.post(w.multi(nil, leaf, other)), ocsp.TryLater)
}

func TestWhoeverWantsToBeLeftAloneIsNotAsked(t *testing.T) {
	w := newWorld(t)
	if err := w.ca.SetFault("503=120"); err != nil {
		t.Fatal(err)
	}
	w.serve(w.forIssuer)
	w.says(w.post(w.request(w.issue(), crypto.SHA1)), ocsp.TryLater)
	asked := w.questions()
	w.says(w.post(w.request(w.issue(), crypto.SHA1)), ocsp.TryLater)
	w.says(w.post(w.multi([]byte("nonce"), w.issue())), ocsp.TryLater)
	if got := w.questions(); got != asked {
		t.Errorf("the CA was asked %d more times", got-asked)
	}
	w.counts(answer.Counts{Misses: 3, Upstream: 1, Passed: 1})
}

func TestAnAnswerToAnotherRequestIsNotPassedOn(t *testing.T) {
	w := newWorld(t)
	leaf := w.issue()
	r := w.pki.Intermediate.Vouch(leaf.Certificate, time.Now().Add(-time.Minute), time.Now().Add(time.Hour))
	r.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Value: []byte("\x04\x05other")}}
	der, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	ca := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write(der) // the client is here
	}))
	defer ca.Close()
	w.serve(func(o *answer.Options) {
		w.forIssuer(o)
		o.Issuers[0].Responders = []string{ca.URL}
	})
	w.says(w.post(w.multi([]byte("ours"), leaf, leaf)), ocsp.TryLater)
	w.good(w.post(w.multi([]byte("other"), leaf, leaf)), leaf, crypto.SHA1)
	w.good(w.post(w.multi(nil, leaf, leaf)), leaf, crypto.SHA1)
}

// multi is a request about several certificates, with a nonce unless it is
// nil.
func (w *world) multi(nonce []byte, leaves ...*lab.Issued) []byte {
	w.Helper()
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, l := range leaves {
					b.AddBytes(w.requestOf(l))
				}
			})
			if nonce != nil {
				b.AddASN1(casn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
					b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddASN1(casn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte("\x2b\x06\x01\x05\x05\x07\x30\x01\x02")) })
							b.AddASN1(casn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
						})
					})
				})
			}
		})
	})
	return b.BytesOrPanic()
}

// requestOf is the Request within an OCSPRequest.
func (w *world) requestOf(l *lab.Issued) []byte {
	w.Helper()
	der, err := ocsp.CreateRequest(l.Certificate, l.Issuer.Certificate, nil)
	if err != nil {
		w.Fatal(err)
	}
	in := cryptobyte.String(der)
	var outer, tbs, list, one cryptobyte.String
	if !in.ReadASN1(&outer, casn1.SEQUENCE) || !outer.ReadASN1(&tbs, casn1.SEQUENCE) ||
		!tbs.ReadASN1(&list, casn1.SEQUENCE) || !list.ReadASN1Element(&one, casn1.SEQUENCE) {
		w.Fatal("unexpected request")
	}
	return one
}
