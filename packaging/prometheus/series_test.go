// Package prometheus tests the alert rules and the dashboard beside them.
package prometheus

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/admin"
	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
)

// everything is an agent that has something to say in every metric.
type everything struct{ admin.Source }

func (everything) Certificates(context.Context) []agent.Certificate {
	now := time.Now()
	return []agent.Certificate{{Path: "/a.pem", State: agent.Fresh, OK: true, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Expires: now.Add(time.Hour)}}
}
func (everything) Problems() []string { return nil }
func (everything) Responders() []responder.LaneState {
	return []responder.LaneState{{Host: "ocsp.example"}}
}
func (everything) Hooks() []hooks.QueueState {
	return []hooks.QueueState{{Name: "nginx", DeliveredAt: time.Now()}}
}
func (everything) Proofs() []prove.Finding {
	return []prove.Finding{{Address: prove.Address{HostPort: "www.example:443"}, Result: prove.Proven, Same: true}}
}
func (everything) Polling() (bool, string) { return false, "" }

// metrics maps the name of each series that restaple has to its labels.
type metrics map[string]map[string]bool

var (
	sample = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `)
	label  = regexp.MustCompile(`([a-z_]+)="`)
)

// scraped asks a restaple for all metrics it can have.
func scraped(t *testing.T) metrics {
	t.Helper()
	m := admin.NewMetrics("1.2.3")
	m.Asked(agent.Attempt{Responder: "ocsp.example", Reason: "good"})
	m.HookRan("nginx", nil, 0)
	s := admin.New(admin.Options{Metrics: m, Version: "1.2.3", Log: slog.New(slog.DiscardHandler)})
	s.SetSource(everything{}, true)
	s.SetAnswers(func() answer.Counts { return answer.Counts{} })
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := admin.Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	resp, err := client.Get("http://localhost/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := make(metrics)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if f := sample.FindStringSubmatch(lines.Text()); f != nil {
			labels := map[string]bool{"job": true, "instance": true} // Prometheus adds them
			for _, l := range label.FindAllStringSubmatch(f[2], -1) {
				labels[l[1]] = true
			}
			found[f[1]] = labels
		}
	}
	if len(found["restaple_certificate_state"]) != 5 {
		t.Fatalf("only %v", found)
	}
	return found
}

var (
	named    = regexp.MustCompile(`\b((?:restaple|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	up       = regexp.MustCompile(`\bup\{`) // Prometheus adds it
	selector = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// check complains about what a PromQL expression selects and restaple does not
// have: metrics, their labels, and states.
func (m metrics) check(t *testing.T, where, expr string) {
	t.Helper()
	found := named.FindAllStringSubmatch(expr, -1)
	for _, f := range found {
		labels, ok := m[f[1]]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, f[1])
			continue
		}
		for _, s := range selector.FindAllStringSubmatch(f[2], -1) {
			if !labels[s[1]] {
				t.Errorf("%s: %s has no label %s", where, f[1], s[1])
			}
			if s[1] == "state" {
				checkStates(t, where, s[2])
			}
		}
	}
	if len(found) == 0 && !up.MatchString(expr) {
		t.Errorf("%s: %q selects nothing of restaple's", where, expr)
	}
}

func checkStates(t *testing.T, where, states string) {
	t.Helper()
	known := make(map[string]bool)
	for _, s := range agent.States() {
		known[string(s)] = true
	}
	for s := range strings.SplitSeq(states, "|") {
		if !known[s] {
			t.Errorf("%s: there is no state %q", where, s)
		}
	}
}
