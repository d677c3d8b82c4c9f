package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/restaple/restaple/agent/admin"
	"github.com/restaple/restaple/agent/lab"
)

// gate is the responder of a scene behind a gate, which is shut at first.
type gate struct {
	http.Handler
	opened chan struct{}

	mu        sync.Mutex
	now, most int // requests
}

func (s *scene) gate() (g *gate, url string) {
	s.t.Helper()
	g = &gate{Handler: s.responder, opened: make(chan struct{})}
	server := httptest.NewServer(g)
	s.t.Cleanup(server.Close)
	return g, server.URL
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.enter(1)
	defer g.enter(-1)
	select {
	case <-g.opened:
		g.Handler.ServeHTTP(w, r)
	case <-r.Context().Done():
	}
}

func (g *gate) enter(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

func (g *gate) waiting() (now, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.most
}

// strangers have clients ask about certificates that nobody looks after; what
// they are told is there when done says so.
func (s *scene) strangers(n int, socket string) (told []string, done *sync.WaitGroup) {
	s.t.Helper()
	told, done = make([]string, n), new(sync.WaitGroup)
	for i := range n {
		leaf, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"other.test"}})
		if err != nil {
			s.t.Fatal(err)
		}
		done.Go(func() { told[i] = s.asks(overSocket(socket), "http://x", leaf) })
	}
	return told, done
}

func TestWhoeverAsksAResponderHasOneLimit(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	g, url := s.gate()
	dir := t.TempDir()
	desk, door, file := filepath.Join(dir, "ocsp.sock"), "unix:"+filepath.Join(dir, "admin.sock"), filepath.Join(dir, "restaple.yaml")
	s.write(file, fmt.Appendf(nil, `state_dir: %s
allow: [127.0.0.0/8]
responders: [{host: "*", max_in_flight: 1, timeout: 5m}]
certificates: [{paths: [%s], responder: %s}]
listen: 'unix:%s'
answer_for: issuers
admin: {listen: '%s'}
`, s.state, s.dir, url, desk, door))
	startProcess(t, "run", "--config", file)
	until(t, "the responder is asked about the certificate", func() bool { now, _ := g.waiting(); return now == 1 })
	const clients = 20
	_, done := s.strangers(clients, desk)
	until(t, "clients wait", func() bool {
		r, err := admin.FetchStatus(t.Context(), door)
		return err == nil && r.Answers != nil && r.Answers.Misses >= clients
	})
	close(g.opened)
	done.Wait()
	if _, most := g.waiting(); most != 1 {
		t.Errorf("the responder was asked %d times at once, want once: that is its limit", most)
	}
}

func TestWhoWaitsIsAnsweredAcrossAChangeOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	g, url := s.gate()
	dir := t.TempDir()
	desk, issuer, file := filepath.Join(dir, "ocsp.sock"), filepath.Join(dir, "issuer.pem"), filepath.Join(dir, "restaple.yaml")
	s.write(issuer, s.pki.Intermediate.CertPEM())
	config := func(more string) {
		s.write(file, fmt.Appendf(nil, `state_dir: %s
allow: [127.0.0.0/8]
listen: 'unix:%s'
answer_for: issuers
issuers: [{certificate: %s, responder: %s}]
%s
`, s.state, desk, issuer, url, more))
	}
	config("")
	p := startProcess(t, "run", "--config", file)
	until(t, "it answers", exists(desk))
	told, done := s.strangers(1, desk)
	until(t, "the responder is asked", func() bool { now, _ := g.waiting(); return now == 1 })
	config("max_in_flight: 10")
	p.signal(syscall.SIGHUP)
	until(t, "the new configuration is in force", func() bool { return p.said("configuration taken") })
	close(g.opened)
	done.Wait()
	if told[0] != "good" {
		t.Errorf("got %s, want good", strings.TrimSpace(told[0]))
	}
}
