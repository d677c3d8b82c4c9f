package admin

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestHostsThatAStrangerCouldOwnAreRefused(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9110}
	everywhere := &net.TCPAddr{IP: net.IPv6zero, Port: 9110}
	for _, tt := range []struct {
		host string
		at   net.Addr
		want bool
	}{
		{"127.0.0.1:9110", loopback, true},
		{"127.0.0.1", loopback, true},
		{"[::1]:9110", loopback, true},
		{"[::1]", loopback, true},
		{"10.1.2.3:9110", everywhere, true},
		{"localhost:9110", loopback, true},
		{"LOCALHOST.:9110", loopback, true},
		{"a.localhost", loopback, true},
		{hostname, loopback, true},
		{"web1:9110", everywhere, true},
		{"restaple.tls.svc:9110", everywhere, true},
		{"printer.local", everywhere, true},
		{"evil.example:9110", loopback, false},
		{"evil.example:9110", everywhere, false},
		{"127.0.0.1.evil.example", loopback, false},
		{"localhost.evil.example:9110", loopback, false},
		{"evil-localhost.example", loopback, false},
		{"svc", everywhere, true},
		{"", loopback, false},
		{"web1.corp.example:9110", namedAddr{everywhere, "web1.corp.example"}, true},
		{"Web1.Corp.Example", namedAddr{loopback, "web1.corp.example"}, true},
		{"web2.corp.example", namedAddr{everywhere, "web1.corp.example"}, false},
		{"", namedAddr{everywhere, ""}, false}, // :9110
	} {
		if got := ownNames(tt.at).allow(tt.host); got != tt.want {
			t.Errorf("Host %q at %v: %v, want %v", tt.host, tt.at, got, tt.want)
		}
	}
}

func TestRebindingIsStoppedBeforeAnythingIsSaid(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), true)
	for _, path := range []string{"/", "/api/status", "/metrics", "/healthz", "/readyz", "/app.js"} {
		status, body := s.get(t, path, host("evil.example:9110"))
		if status != http.StatusMisdirectedRequest || strings.Contains(body, "/etc/tls") {
			t.Errorf("%s: %d, want 421: %.100s", path, status, body)
		}
	}
	u := start(t, "unix", everyState(time.Now()), true)
	if status, _ := u.get(t, "/", host("whatever.example")); status != http.StatusOK {
		t.Errorf("on the socket: %d, want 200: no browser gets there", status)
	}
}

func TestScrapersMayUseAnyNameOfAMachine(t *testing.T) {
	l, err := Listen("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := ownNames(l.Addr())
	if !n.open || n.allow("web1.corp.example") {
		t.Fatalf("names of %v: %+v", l.Addr(), n)
	}
	s := New(Options{Metrics: NewMetrics("1"), Log: quiet()})
	h := s.handler(l.Addr())
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 503, "/": 421, "/api/status": 421} {
		if got := ask(h, path, "web1.corp.example"); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestNobodyElseMayLoadOrFrameAnything(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), false)
	for _, path := range []string{"/", "/app.js", "/api/status", "/metrics", "/nothing"} {
		resp := s.send(t, http.MethodGet, path, header("Origin", "http://evil.example"))
		resp.Body.Close()
		for k, want := range map[string]string{
			"Content-Security-Policy":      contentPolicy,
			"X-Content-Type-Options":       "nosniff",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Referrer-Policy":              "no-referrer",
			"Access-Control-Allow-Origin":  "",
			"Cache-Control":                "no-store",
		} {
			if got := resp.Header.Get(k); got != want {
				t.Errorf("%s: %s: %q, want %q", path, k, got, want)
			}
		}
	}
	if strings.Contains(contentPolicy, "unsafe") || !strings.Contains(contentPolicy, "default-src 'none'") {
		t.Errorf("policy %q", contentPolicy)
	}
}
