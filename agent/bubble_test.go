package agent

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/watcher"
)

// bubble is a running agent in a bubble of time, where days pass at once. Its
// files, its lanes and the responses are real; what is left out is what a
// bubble cannot hold: sockets and inotify.
type bubble struct {
	t     *testing.T
	dir   string
	state string
	pki   *lab.PKI
	log   *lines
	agent *Agent

	leafOnly bool // of what is issued
	fetch    func(ctx context.Context, url string) ([]byte, error)

	mu      sync.Mutex
	manners map[string]manner // of the responders, by host
	asked   int
	start   time.Time
}

// manner is how a responder behaves.
type manner func(context.Context, responder.Query) (*responder.Answer, error)

// inBubble runs f in a bubble. It makes certificates, and starts the agent.
func inBubble(t *testing.T, f func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, dir: t.TempDir(), state: t.TempDir(), log: new(lines), manners: make(map[string]manner), start: time.Now()}
		var err error
		if b.pki, err = lab.NewPKI(lab.PKIOptions{}); err != nil {
			t.Fatal(err)
		}
		f(t, b)
	})
}

// issue writes a certificate that is not brand-new.
func (b *bubble) issue(name string, responders ...string) {
	b.t.Helper()
	b.issueSince(name, time.Now().Add(-time.Hour), lab.IssueOptions{Responders: responders})
}

func (b *bubble) issueSince(name string, since time.Time, o lab.IssueOptions) {
	b.t.Helper()
	o.Names, o.NotBefore, o.NotAfter = []string{"site.example.test"}, since, time.Now().Add(90*24*time.Hour)
	issued, err := b.pki.Intermediate.Issue(o)
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.dir, name)
	content := issued.ChainPEM()
	if b.leafOnly {
		content = issued.CertPEM()
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chtimes(path, since, since); err != nil { // the bubble has a time of its own
		b.t.Fatal(err)
	}
}

// good makes a host a good responder with the given window, which takes the
// time for an answer.
func (b *bubble) good(window, took time.Duration) manner {
	b.t.Helper()
	r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate, Validity: window})
	if err != nil {
		b.t.Fatal(err)
	}
	return func(_ context.Context, q responder.Query) (*responder.Answer, error) {
		time.Sleep(took)
		return ask(r, q)
	}
}

func (b *bubble) behave(host string, m manner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.manners[host] = m
}

// answers is how a responder of the lab behaves.
func answers(r *lab.Responder) manner {
	return func(_ context.Context, q responder.Query) (*responder.Answer, error) { return ask(r, q) }
}

// ask hands a query to a responder of the lab.
func ask(r http.Handler, q responder.Query) (*responder.Answer, error) {
	if q.Hash == 0 {
		q.Hash = crypto.SHA1
	}
	name, key, _ := q.Chain.Issuer.IDHashes(q.Hash) // both are always there
	der, err := (&ocsp.Request{
		HashAlgorithm: q.Hash, IssuerNameHash: name, IssuerKeyHash: key,
		SerialNumber: new(big.Int).SetBytes([]byte(q.Chain.Leaf.Serial)),
	}).Marshal()
	if err != nil {
		return nil, err
	}
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(der))
	req.Header.Set("Content-Type", "application/ocsp-request")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return &responder.Answer{DER: w.Body.Bytes(), Date: time.Now()}, nil
}

// hang is a responder that never answers.
func hang(ctx context.Context, q responder.Query) (*responder.Answer, error) {
	select {
	case <-time.After(15 * time.Second):
		return nil, &responder.Error{Kind: responder.KindTimeout, URL: q.URL, Err: errors.New("no whole answer within 15s")}
	case <-ctx.Done():
		return nil, &responder.Error{Kind: responder.KindCanceled, URL: q.URL, Err: ctx.Err()}
	}
}

// refuse is a responder that answers with an HTTP status.
func refuse(status int, retryAfter time.Duration) manner {
	return func(_ context.Context, q responder.Query) (*responder.Answer, error) {
		return nil, &responder.Error{
			Kind: responder.KindHTTP, URL: q.URL, Status: status, RetryAfter: retryAfter, Err: errors.New(http.StatusText(status)),
		}
	}
}

// Ask is the way to the responders.
func (b *bubble) Ask(ctx context.Context, q responder.Query) (*responder.Answer, error) {
	if down := responder.HandedBack(ctx); down != nil {
		return nil, &responder.Error{Kind: responder.KindDown, URL: q.URL, RetryAfter: time.Until(down.Until), Err: down}
	}
	b.mu.Lock()
	m := b.manners[responder.Host(q.URL)]
	b.asked++
	b.mu.Unlock()
	if m == nil {
		return nil, &responder.Error{Kind: responder.KindDNS, URL: q.URL, Err: errors.New("no such host")}
	}
	return m(ctx, q)
}

// FetchIssuer is the way to the issuers.
func (b *bubble) FetchIssuer(ctx context.Context, url string) ([]byte, error) {
	if down := responder.HandedBack(ctx); down != nil {
		return nil, &responder.Error{Kind: responder.KindDown, URL: url, RetryAfter: time.Until(down.Until), Err: down}
	}
	return b.fetch(ctx, url)
}

// make makes the agent.
func (b *bubble) make(change func(*Options)) *Agent {
	b.t.Helper()
	p, err := profile.ByName("generic")
	if err != nil {
		b.t.Fatal(err)
	}
	client := responder.New(responder.Options{})
	b.t.Cleanup(client.Close)
	o := Options{
		Groups: []Group{{Sources: []watcher.Source{{Path: b.dir}}, Profile: p, UID: -1, GID: -1, Policy: Policy{OnRevoked: Withdraw, OnUnknown: Keep}}},
		Client: client, StateDir: b.state, Log: slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	if b.agent, err = New(o); err != nil {
		b.t.Fatal(err)
	}
	b.agent.client = b
	return b.agent
}

// run runs an agent until the bubble ends, or until stop.
func (b *bubble) run(change func(*Options)) (stop func()) {
	b.t.Helper()
	a := b.make(change)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- a.run(ctx, true, func(ctx context.Context, _ func(func(context.Context) error)) error {
			return a.loop(ctx, nil, false)
		})
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				b.t.Errorf("run: %v", err)
			}
		})
	}
	b.t.Cleanup(stop)
	return stop
}

// requests is how many there have been.
func (b *bubble) requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// pass lets time pass.
func (b *bubble) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// states counts how the certificates stand.
func (b *bubble) states() map[State]int {
	n := make(map[State]int)
	for _, c := range b.agent.Certificates(b.t.Context()) {
		n[c.State]++
	}
	return n
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	all []line
}

type line struct {
	level             slog.Level
	message           string
	cert, responder   string
	reason, err, text string
}

// Write takes one line of JSON.
func (l *lines) Write(p []byte) (int, error) {
	var raw struct {
		Level                        slog.Level
		Msg, Cert, Responder, Reason string
		Err                          string
	}
	if err := json.Unmarshal(p, &raw); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line{raw.Level, raw.Msg, raw.Cert, raw.Responder, raw.Reason, raw.Err, string(p)})
	return len(p), nil
}

// from returns the lines from a level on that have the message; "": any.
func (l *lines) from(level slog.Level, message string) []line {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []line
	for _, x := range l.all {
		if x.level >= level && (message == "" || x.message == message) {
			out = append(out, x)
		}
	}
	return out
}

func (l *lines) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}
