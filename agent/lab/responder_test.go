package lab

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"
)

// rig is a responder behind a real listener, with a leaf to ask about.
type rig struct {
	pki       *PKI
	leaf      *Issued
	responder *Responder
	url       string
}

func newRig(t *testing.T, change func(*ResponderOptions)) *rig {
	t.Helper()
	pki, leaf := newPKI(t, PKIOptions{})
	o := ResponderOptions{CA: pki.Intermediate}
	if change != nil {
		change(&o)
	}
	responder, err := NewResponder(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(responder)
	t.Cleanup(server.Close)
	return &rig{pki: pki, leaf: leaf, responder: responder, url: server.URL}
}

func (r *rig) request(t *testing.T, h crypto.Hash) []byte {
	t.Helper()
	der, err := ocsp.CreateRequest(r.leaf.Certificate, r.pki.Intermediate.Certificate, &ocsp.RequestOptions{Hash: h})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// get asks for the leaf and returns the HTTP response with its body.
func (r *rig) get(t *testing.T, headers ...string) (*http.Response, []byte) {
	t.Helper()
	target := r.url + "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(r.request(t, crypto.SHA1)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return do(t, req)
}

func (r *rig) post(t *testing.T, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	return do(t, req)
}

func do(t *testing.T, req *http.Request) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req) // no redirects
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func (r *rig) parse(t *testing.T, der []byte) *ocsp.Response {
	t.Helper()
	got, err := ocsp.ParseResponseForCert(der, r.leaf.Certificate, r.pki.Intermediate.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestGetAndPostGetTheSameBytes(t *testing.T) {
	r := newRig(t, nil)
	_, got := r.get(t)
	if r.parse(t, got).Status != ocsp.Good {
		t.Error("not good")
	}
	for range 3 {
		if resp, posted := r.post(t, r.request(t, crypto.SHA1)); !bytes.Equal(got, posted) || resp.StatusCode != http.StatusOK {
			t.Errorf("POST answered %s with other bytes than GET", resp.Status)
		}
	}
	if _, other := r.post(t, r.request(t, crypto.SHA256)); r.parse(t, other).IssuerHash != crypto.SHA256 {
		t.Error("a SHA-256 CertID was not answered with one")
	}
	if got, want := r.responder.Received(), int64(5); got != want {
		t.Errorf("got %d requests, want %d", got, want)
	}
}

func TestGetFindsTheRequestInThePath(t *testing.T) {
	r := newRig(t, nil)
	plain := base64.StdEncoding.EncodeToString(r.request(t, crypto.SHA1))
	for strings.Count(plain, "/") == 0 { // serials are random: one with a slash comes soon
		r.leaf = issueLeaf(t, r.pki.Intermediate, IssueOptions{Key: r.leaf.Key})
		plain = base64.StdEncoding.EncodeToString(r.request(t, crypto.SHA1))
	}
	escaped := url.QueryEscape(plain)
	for name, path := range map[string]string{
		"escaped":                   "/" + escaped,
		"two slashes":               "//" + escaped,
		"under a path":              "/ca/ocsp/" + escaped,
		"under a path like base64":  "/MEow/MEow/" + escaped,
		"slashes left as they are":  "/" + plain,
		"the same, and under paths": "/MEow/" + plain,
	} {
		t.Run(name, func(t *testing.T) {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			w := httptest.NewRecorder()
			r.responder.ServeHTTP(w, req)
			if got := r.parse(t, w.Body.Bytes()); got.SerialNumber.Cmp(r.leaf.Certificate.SerialNumber) != 0 {
				t.Errorf("got serial %v, want the leaf's", got.SerialNumber)
			}
		})
	}
}

func TestBadRequestsAreAnsweredAsSuch(t *testing.T) {
	r := newRig(t, nil)
	stranger, _ := newPKI(t, PKIOptions{})
	r.pki.Intermediate, stranger.Intermediate = stranger.Intermediate, r.pki.Intermediate
	foreign := r.request(t, crypto.SHA1)
	r.pki.Intermediate = stranger.Intermediate
	rows := []struct {
		name string
		body []byte
		want []byte
	}{
		{"empty", nil, []byte{0x30, 3, 0x0a, 1, MalformedRequest}},
		{"trailing byte", append(r.request(t, crypto.SHA1), 0), []byte{0x30, 3, 0x0a, 1, MalformedRequest}},
		{"another CA's certificate", foreign, []byte{0x30, 3, 0x0a, 1, Unauthorized}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if _, got := r.post(t, row.body); !bytes.Equal(got, row.want) {
				t.Errorf("got % x, want % x", got, row.want)
			}
		})
	}
}

func TestCacheHeaders(t *testing.T) {
	r := newRig(t, func(o *ResponderOptions) { o.Validity, o.Step = 8*time.Hour, 2*time.Hour })
	asked := time.Now()
	resp, body := r.get(t)
	took := time.Since(asked)
	parsed := r.parse(t, body)
	want := map[string]string{
		"Content-Type":  "application/ocsp-response",
		"Expires":       parsed.NextUpdate.UTC().Format(http.TimeFormat),
		"Last-Modified": parsed.ProducedAt.UTC().Format(http.TimeFormat),
	}
	for key, value := range want {
		if got := resp.Header.Get(key); got != value {
			t.Errorf("%s: got %q, want %q", key, got, value)
		}
	}
	var age int
	got := resp.Header.Get("Cache-Control")
	if _, err := fmt.Sscanf(got, "max-age=%d,", &age); err != nil || age > 7200 || age < 7199-int(took/time.Second) {
		t.Errorf("Cache-Control after %v: got %q, want max-age just under 7200", took, got)
	}
	for _, validator := range [][]string{
		{"If-None-Match", resp.Header.Get("ETag")},
		{"If-Modified-Since", resp.Header.Get("Last-Modified")},
	} {
		if again, _ := r.get(t, validator...); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: got %s, want 304", validator[0], again.Status)
		}
	}
	r.responder.Renew()
	for _, validator := range [][]string{
		{"If-None-Match", resp.Header.Get("ETag")},
		{"If-Modified-Since", resp.Header.Get("Last-Modified")},
	} {
		if again, _ := r.get(t, validator...); again.StatusCode != http.StatusOK {
			t.Errorf("%s after Renew: got %s, want 200", validator[0], again.Status)
		}
	}
	if resp, _ := r.post(t, r.request(t, crypto.SHA1)); resp.Header.Get("Cache-Control") != "" {
		t.Error("an answer to POST has cache headers")
	}
}

func TestStatusChangesAreSeenAtOnceAndAreNewer(t *testing.T) {
	r := newRig(t, nil)
	serial := r.leaf.Certificate.SerialNumber
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	var last time.Time
	look := func(name string, want int) *ocsp.Response {
		t.Helper()
		_, body := r.get(t)
		got := r.parse(t, body)
		if got.Status != want {
			t.Errorf("%s: got status %d, want %d", name, got.Status, want)
		}
		if !got.ThisUpdate.After(last) {
			t.Errorf("%s: thisUpdate %v is not after %v", name, got.ThisUpdate, last)
		}
		last = got.ThisUpdate
		return got
	}
	look("at first", ocsp.Good)
	if err := r.responder.Revoke(serial, "keyCompromise", at); err != nil {
		t.Fatal(err)
	}
	got := look("revoked", ocsp.Revoked)
	if got.RevocationReason != ocsp.KeyCompromise || !got.RevokedAt.Equal(at) {
		t.Errorf("got reason %d at %v, want %d at %v", got.RevocationReason, got.RevokedAt, ocsp.KeyCompromise, at)
	}
	r.responder.Forget(serial)
	look("forgotten", ocsp.Unknown)
	r.responder.Restore(serial)
	look("restored", ocsp.Good)
	r.responder.Renew()
	look("renewed", ocsp.Good)
	r.responder.SetState(State{Default: Unknown})
	look("another state", ocsp.Unknown)
	if err := r.responder.Revoke(serial, "boredom", at); err == nil {
		t.Error("a reason that is none was accepted")
	}
}

func TestAnotherCertificatesFateChangesNothing(t *testing.T) {
	r := newRig(t, nil)
	_, before := r.get(t)
	other := issueLeaf(t, r.pki.Intermediate, IssueOptions{})
	r.responder.Forget(other.Certificate.SerialNumber)
	if _, after := r.get(t); !bytes.Equal(before, after) {
		t.Error("the response changed")
	}
}

func TestResponseIsRenewedEachStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pki, leaf := newPKI(t, PKIOptions{})
		responder, err := NewResponder(ResponderOptions{
			CA: pki.Intermediate, Validity: time.Minute, Step: 20 * time.Second, Backdate: 5 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		der, err := ocsp.CreateRequest(leaf.Certificate, pki.Intermediate.Certificate, nil)
		if err != nil {
			t.Fatal(err)
		}
		ask := func() (reply, *ocsp.Response) {
			_, rep, err := responder.answer(der, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := ocsp.ParseResponse(rep.der, pki.Intermediate.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			return rep, parsed
		}
		first, parsed := ask()
		if got, want := parsed.ThisUpdate, time.Now().Add(-5*time.Second); !got.Equal(want) {
			t.Errorf("got thisUpdate %v, want %v", got, want)
		}
		if got, want := parsed.NextUpdate.Sub(parsed.ThisUpdate), time.Minute; got != want {
			t.Errorf("got a window of %v, want %v", got, want)
		}
		time.Sleep(19 * time.Second)
		if again, _ := ask(); !bytes.Equal(again.der, first.der) {
			t.Error("renewed before the step was over")
		}
		time.Sleep(time.Second)
		if _, later := ask(); later.ThisUpdate.Sub(parsed.ThisUpdate) != 20*time.Second {
			t.Errorf("after the step thisUpdate went from %v to %v, want 20s later", parsed.ThisUpdate, later.ThisUpdate)
		}
	})
}

func TestConcurrentFirstRequestsGetTheSameBytes(t *testing.T) {
	r := newRig(t, nil)
	body := r.request(t, crypto.SHA1)
	const clients = 8
	got := make([][]byte, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			_, rep, err := r.responder.answer(body, time.Now())
			if err != nil {
				t.Error(err)
			}
			got[i] = rep.der
		})
	}
	wg.Wait()
	for i := range got {
		// The second may have turned in between: then thisUpdate differs.
		if !bytes.Equal(got[i], got[0]) && r.parse(t, got[i]).ThisUpdate.Equal(r.parse(t, got[0]).ThisUpdate) {
			t.Error("two responses of the same second differ")
		}
	}
}

func TestResponderOptionsAreChecked(t *testing.T) {
	pki, _ := newPKI(t, PKIOptions{})
	for name, o := range map[string]ResponderOptions{
		"no CA":            {},
		"validity too low": {CA: pki.Intermediate, Validity: time.Millisecond},
		"negative step":    {CA: pki.Intermediate, Step: -1},
		"born expired":     {CA: pki.Intermediate, Validity: time.Minute, Backdate: time.Minute},
	} {
		if _, err := NewResponder(o); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestServeEndsHangingRequests(t *testing.T) {
	pki, leaf := newPKI(t, PKIOptions{})
	hanging := make(chan struct{}, 1)
	responder, err := NewResponder(ResponderOptions{
		CA:      pki.Intermediate,
		Observe: func(Exchange) { hanging <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := responder.SetFault("hang"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, responder) }()
	r := &rig{pki: pki, leaf: leaf, responder: responder}
	body := r.request(t, crypto.SHA1)
	asked := make(chan error, 1)
	go func() {
		resp, err := http.Post("http://"+l.Addr().String(), "application/ocsp-request", bytes.NewReader(body))
		if err == nil {
			resp.Body.Close()
		}
		asked <- err
	}()
	<-hanging
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := <-asked; err == nil {
		t.Error("the hanging request got an answer")
	}
}

func TestIssuerCertificateIsServed(t *testing.T) {
	r := newRig(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+issuerPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := do(t, req); !bytes.Equal(body, r.pki.Intermediate.Certificate.Raw) {
		t.Error("got something else")
	}
}
