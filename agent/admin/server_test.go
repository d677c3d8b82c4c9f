package admin

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/prove"
)

// get returns the status and the body of an answer.
func (s *started) get(t *testing.T, path string, change ...func(*http.Request)) (int, string) {
	t.Helper()
	resp := s.send(t, http.MethodGet, path, change...)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (s *started) send(t *testing.T, method, path string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(req)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func host(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }

func header(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }

func TestEveryPathAnswersOnBothKindsOfListener(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		s := start(t, network, everyState(time.Now()), true)
		s.Ready()
		for path, contains := range map[string]string{
			"/":           "<h1>restaple <small>1.2.3</small></h1>",
			"/?q=zzz":     "No certificate matches the filter",
			"/api/status": `"ok": false`,
			"/metrics":    "restaple_certificates_failing 10\n",
			"/healthz":    "ok",
			"/readyz":     "ready",
			"/app.js":     "'use strict'",
			"/style.css":  "prefers-color-scheme",
			"/icon.svg":   "<svg",
		} {
			if status, body := s.get(t, path); status != http.StatusOK || !strings.Contains(body, contains) {
				t.Errorf("%s %s: %d, want 200 and %q in:\n%.300s", network, path, status, contains, body)
			}
		}
		if status, _ := s.get(t, "/nothing"); status != http.StatusNotFound {
			t.Errorf("%s /nothing: %d, want 404", network, status)
		}
		if resp := s.send(t, http.MethodPost, "/metrics"); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s POST /metrics: %d, want 405", network, resp.StatusCode)
		}
	}
}

func TestReadinessAndHealth(t *testing.T) {
	steps := []struct {
		name           string
		source         Source
		ready          bool
		health, passed int
		page           int
	}{
		{name: "no agent yet", health: 200, passed: 503, page: 503},
		{name: "first pass", source: &scene{}, health: 200, passed: 503, page: 200},
		{name: "passed", source: &scene{}, ready: true, health: 200, passed: 200, page: 200},
		{name: "another agent takes over", source: &scene{}, health: 200, passed: 200, page: 200},
	}
	s := start(t, "tcp", nil, false)
	for _, step := range steps {
		if step.source != nil {
			s.SetSource(step.source, false)
		}
		if step.ready {
			s.Ready()
		}
		for path, want := range map[string]int{"/healthz": step.health, "/readyz": step.passed, "/": step.page, "/api/status": step.page} {
			if got, _ := s.get(t, path); got != want {
				t.Errorf("%s: %s: %d, want %d", step.name, path, got, want)
			}
		}
		if _, body := s.get(t, "/metrics"); !strings.Contains(body, "restaple_build_info") {
			t.Errorf("%s: no metrics", step.name)
		}
	}
}

func TestStatusIsAReport(t *testing.T) {
	now := time.Now()
	src := everyState(now)
	s := start(t, "unix", src, false)
	_, body := s.get(t, "/api/status")
	var got Report
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Certificates) != len(src.certs) || got.OK || len(got.Responders) != len(src.lanes) ||
		len(got.Hooks) != len(src.hooks) || len(got.Served) != len(src.proofs) || got.Served[1].Result != prove.OlderServed || got.Polling != src.polling || !slices.Equal(got.Problems, src.problems) {
		t.Errorf("report lacks something:\n%s", body)
	}
	if i := slices.IndexFunc(got.Hooks, func(h Hook) bool { return h.Name == "nginx" }); i < 0 ||
		got.Hooks[i].Error != src.hooks[1].Err.Error() || got.Hooks[i].Pending != 3 || got.Hooks[i].Attempts != 2 {
		t.Errorf("hooks %+v", got.Hooks)
	}
}

func TestReportIsOKOnlyIfEverythingIs(t *testing.T) {
	now := time.Now()
	good, bad := certificate("good", now), certificate("bad", now)
	bad.OK = false
	for _, tt := range []struct {
		name     string
		certs    []agent.Certificate
		problems []string
		want     bool
	}{
		{"nothing", nil, nil, true},
		{"a good one", []agent.Certificate{good}, nil, true},
		{"a bad one first", []agent.Certificate{bad, good}, nil, false},
		{"a directory that is not there", []agent.Certificate{good}, []string{"x"}, false},
	} {
		r := NewReport(tt.certs, tt.problems, now)
		if r.OK != tt.want {
			t.Errorf("%s: ok %v, want %v", tt.name, r.OK, tt.want)
		}
		if out, _ := json.Marshal(r); strings.Contains(string(out), "null") {
			t.Errorf("%s: null in %s", tt.name, out)
		}
	}
}

func TestAnswersAreCompressedForThoseWhoTakeIt(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), false)
	for _, path := range []string{"/", "/api/status"} {
		_, plain := s.get(t, path, header("Accept-Encoding", "identity"))
		resp := s.send(t, http.MethodGet, path, header("Accept-Encoding", "gzip"))
		packed, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get("Content-Encoding") != "gzip" || len(packed) > len(plain)/2 {
			t.Errorf("%s: %v, coding %q, %d octets instead of %d", path, err, resp.Header.Get("Content-Encoding"), len(packed), len(plain))
		}
	}
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "deflate, GZIP;q=0.5": true, "gzip;q=0": false, "br": false, "xgzip": false, "gzip; q=0.0": false,
	} {
		if got := acceptsGzip(accept); got != want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", accept, got, want)
		}
	}
}

// pipes is a listener within a bubble, where no network reaches.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return socketAddr }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.conns <- server
	return client, nil
}

// TestWhoSaysNothingKeepsNoProbeWaiting has every place taken by somebody who
// has asked once and stays. The probe in the examples waits for five seconds.
func TestWhoSaysNothingKeepsNoProbeWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &pipes{conns: make(chan net.Conn, mostConnections), done: make(chan struct{})}
		s := New(Options{Metrics: NewMetrics("1"), Log: quiet()})
		s.SetSource(&scene{}, false)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx, l) }()
		for range mostConnections {
			stays := &http.Transport{DialContext: l.dial}
			defer stays.CloseIdleConnections()
			get(t, http.Client{Transport: stays})
		}
		start := time.Now()
		get(t, http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: l.dial}})
		if time.Since(start) == 0 {
			t.Error("a place was free")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// get asks how the server of a client is.
func get(t *testing.T, c http.Client) {
	t.Helper()
	resp, err := c.Get("http://localhost/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %q, %v", resp.Status, body, err)
	}
}
