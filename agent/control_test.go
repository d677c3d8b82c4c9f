package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

func TestRefreshAsksAlthoughNothingIsDue(t *testing.T) {
	w := newWorld(t)
	w.issue("one.pem", lab.IssueOptions{})
	w.issue("two.pem", lab.IssueOptions{})
	w.issue("silent.pem", lab.IssueOptions{Responders: []string{}})
	a := w.run("generic")
	ready := func() bool {
		_, err1 := w.verified("one.pem", "one.pem.ocsp")
		_, err2 := w.verified("two.pem", "two.pem.ocsp")
		return err1 == nil && err2 == nil && w.responder.Received() == 2
	}
	eventually(t, "both staples", ready)
	for _, tt := range []struct {
		name  string
		paths []string
		due   int
	}{
		{"one of them", []string{w.path("one.pem")}, 1},
		{"no such file", []string{w.path("three.pem")}, 0},
		{"all that can be asked about", nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := w.responder.Received()
			due, err := a.Refresh(t.Context(), tt.paths)
			if err != nil || due != tt.due {
				t.Fatalf("Refresh: %d due, %v; want %d", due, err, tt.due)
			}
			eventually(t, "the requests", func() bool { return w.responder.Received() == before+int64(tt.due) })
		})
	}
}

func TestRescanFindsAnIssuerThatNoEventTellsOf(t *testing.T) {
	w := newWorld(t)
	issuers := t.TempDir()
	w.group = func(g *agent.Group) { g.IssuerDirs = []string{issuers} }
	w.options = func(o *agent.Options) { o.Rescan = time.Hour }
	leaf := w.issue("site.pem", lab.IssueOptions{})
	w.write("site.pem", leaf.CertPEM())
	a := w.run("generic")
	is := func(s agent.State) func() bool {
		return func() bool {
			certs := a.Certificates(t.Context())
			return len(certs) == 1 && certs[0].State == s
		}
	}
	eventually(t, "a certificate without issuer", is(agent.NoIssuer))
	if err := os.WriteFile(filepath.Join(issuers, "ca.pem"), w.pki.Intermediate.CertPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the staple", is(agent.Fresh))
}

func TestControlOfAnAgentThatDoesNotRun(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	a := w.agent("generic")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Rescan(ctx); err == nil {
		t.Error("Rescan before Run: no error although the context is done")
	}
	if _, err := a.RunOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Refresh(t.Context(), nil); err == nil {
		t.Error("Refresh after the end: no error")
	}
}
