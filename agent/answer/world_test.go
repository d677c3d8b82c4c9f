package answer_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/watcher"
)

// world is a CA with its responder, certificates that a real agent looks
// after, and an Answerer that is served beside it.
type world struct {
	testing.TB
	dir, state string
	pki        *lab.PKI
	ca         *lab.Responder
	caURL      string
	index      *agent.Index
	client     *responder.Client
	policy     agent.Policy
	log        *slog.Logger
	down       func() // ends the CA's responder
	url        string // of the Answerer
	answerer   *answer.Answerer

	mu    sync.Mutex
	asked []lab.Exchange // of the CA's responder
}

// caOptions change the CA's responder.
type caOptions = func(*lab.ResponderOptions)

func newWorld(t testing.TB, change ...caOptions) *world {
	t.Helper()
	w := &world{
		TB: t, dir: t.TempDir(), state: t.TempDir(), index: agent.NewIndex(),
		policy: agent.Policy{OnRevoked: agent.Withdraw, OnUnknown: agent.Keep},
		log:    slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.caURL = "http://" + l.Addr().String()
	if w.pki, err = lab.NewPKI(lab.PKIOptions{Responders: []string{w.caURL}}); err != nil {
		t.Fatal(err)
	}
	o := lab.ResponderOptions{CA: w.pki.Intermediate, Backdate: time.Minute, Observe: func(x lab.Exchange) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = append(w.asked, x)
	}}
	for _, c := range change {
		c(&o)
	}
	if w.ca, err = lab.NewResponder(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- lab.Serve(ctx, l, w.ca) }()
	w.down = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("CA's responder: %v", err)
		}
	})
	t.Cleanup(w.down)
	w.client = responder.New(responder.Options{
		Guard: responder.NewGuard(responder.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
	})
	t.Cleanup(w.client.Close)
	return w
}

// issue makes a certificate that nobody looks after.
func (w *world) issue() *lab.Issued {
	w.Helper()
	issued, err := w.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"www.example.test"}})
	if err != nil {
		w.Fatal(err)
	}
	return issued
}

// manage makes a certificate that the agent finds.
func (w *world) manage(name string, change ...func(*lab.IssueOptions)) *lab.Issued {
	w.Helper()
	o := lab.IssueOptions{Names: []string{"www.example.test"}}
	for _, c := range change {
		c(&o)
	}
	issued, err := w.pki.Intermediate.Issue(o)
	if err != nil {
		w.Fatal(err)
	}
	w.write(name, issued.ChainPEM())
	return issued
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name string, data []byte) {
	w.Helper()
	temp := w.path("." + name)
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(temp, w.path(name)); err != nil {
		w.Fatal(err)
	}
}

// pass has an agent make one pass.
func (w *world) pass() { w.Helper(); w.once(func(o *agent.Options) { o.Force = true }) }

// look has one look, and change nothing.
func (w *world) look() { w.Helper(); w.once(func(o *agent.Options) { o.LookOnly = true }) }

func (w *world) once(change func(*agent.Options)) {
	w.Helper()
	p, err := profile.ByName("generic")
	if err != nil {
		w.Fatal(err)
	}
	o := agent.Options{
		Groups: []agent.Group{{Sources: []watcher.Source{{Path: w.dir}}, Profile: p, UID: -1, GID: -1, Policy: w.policy}},
		Client: w.client, StateDir: w.state, Index: w.index, Log: w.log,
	}
	change(&o)
	a, err := agent.New(o)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := a.RunOnce(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// complete is an index of which all is known.
type complete struct {
	*agent.Index
	known chan struct{}
}

func newComplete(x *agent.Index) complete {
	known := make(chan struct{})
	close(known)
	return complete{x, known}
}

func (c complete) Known() <-chan struct{} { return c.known }

// serve serves a new Answerer.
func (w *world) serve(change ...func(*answer.Options)) {
	w.Helper()
	o := answer.Options{Certificates: newComplete(w.index), Client: w.client, Lanes: w.lanes(), StateDir: w.state, Log: w.log}
	for _, c := range change {
		c(&o)
	}
	w.start(answer.New(o))
}

// lanes are lanes that run until the test ends.
func (w *world) lanes() *responder.Lanes {
	l := responder.NewLanes(responder.LaneOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		<-ran // it only ends with its context
	})
	return l
}

// start serves an Answerer from now on.
func (w *world) start(a *answer.Answerer) {
	w.Helper()
	w.answerer = a
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- answer.Serve(ctx, l, a, w.log) }()
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			w.Errorf("Run: %v", err)
		}
		if err := <-served; err != nil {
			w.Errorf("Serve: %v", err)
		}
	})
}

// request makes an OCSPRequest about a certificate.
func (w *world) request(leaf *lab.Issued, hash crypto.Hash) []byte {
	w.Helper()
	der, err := ocsp.CreateRequest(leaf.Certificate, w.pki.Intermediate.Certificate, &ocsp.RequestOptions{Hash: hash})
	if err != nil {
		w.Fatal(err)
	}
	return der
}

// answered is what a client got.
type answered struct {
	code   int
	header http.Header
	body   []byte
}

func (w *world) do(r *http.Request) answered {
	w.Helper()
	a, err := exchange(r)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

func exchange(r *http.Request) (answered, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, resp.Header, body}, err
}

// postAll asks by POST, each request at the same time as the others.
func (w *world) postAll(requests [][]byte) []answered {
	w.Helper()
	answers := make([]answered, len(requests))
	errs := make([]error, len(requests))
	var clients sync.WaitGroup
	for i, der := range requests {
		r := w.newRequest(http.MethodPost, "/", der)
		clients.Go(func() { answers[i], errs[i] = exchange(r) })
	}
	clients.Wait()
	if err := errors.Join(errs...); err != nil {
		w.Fatal(err)
	}
	return answers
}

func (w *world) newRequest(method, path string, body []byte) *http.Request {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.url+path, bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// post asks by POST.
func (w *world) post(der []byte) answered {
	w.Helper()
	r := w.newRequest(http.MethodPost, "/", der)
	r.Header.Set("Content-Type", "application/ocsp-request")
	return w.do(r)
}

// inPath is a request as GET carries it.
func inPath(der []byte) string {
	return "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(der))
}

func (w *world) get(der []byte) answered {
	w.Helper()
	return w.do(w.newRequest(http.MethodGet, inPath(der), nil))
}

// good fails unless a says good of the leaf, by other code than restaple's.
func (w *world) good(a answered, leaf *lab.Issued, hash crypto.Hash) *ocsp.Response {
	w.Helper()
	r, err := ocsp.ParseResponseForCert(a.body, leaf.Certificate, w.pki.Intermediate.Certificate)
	if err != nil {
		w.Fatalf("got status %d, %x: %v", a.code, a.body, err)
	}
	if r.Status != ocsp.Good || r.IssuerHash != hash {
		w.Errorf("got status %d with %v, want good with %v", r.Status, r.IssuerHash, hash)
	}
	if got, want := a.header.Get("Content-Type"), "application/ocsp-response"; got != want {
		w.Errorf("Content-Type: got %q, want %q", got, want)
	}
	return r
}

// says fails unless a is a response with an error status.
func (w *world) says(a answered, want ocsp.ResponseStatus) {
	w.Helper()
	_, err := ocsp.ParseResponse(a.body, nil)
	got, ok := err.(ocsp.ResponseError)
	if !ok || got.Status != want {
		w.Errorf("got HTTP %d, %x (%v), want %v", a.code, a.body, err, want)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		w.Errorf("Cache-Control of an error: got %q", got)
	}
}

// questions returns how often the CA's responder was asked.
func (w *world) questions() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

func (w *world) counts(want answer.Counts) {
	w.Helper()
	got := w.answerer.Snapshot()
	if got.Since = want.Since; got != want {
		w.Errorf("counts: got %+v, want %+v", got, want)
	}
}

// manageSlashed manages a certificate whose request has a slash and a plus in
// its base64.
func (w *world) manageSlashed(name string) (leaf *lab.Issued, text string) {
	w.Helper()
	for {
		leaf := w.issue()
		text := base64.StdEncoding.EncodeToString(w.request(leaf, crypto.SHA1))
		if strings.Contains(text, "/") && strings.Contains(text, "+") {
			w.write(name, leaf.ChainPEM())
			return leaf, text
		}
	}
}
