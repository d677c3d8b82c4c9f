package agent_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

func TestLookingOnlyAsksNobodyAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.options = func(o *agent.Options) { o.LookOnly = true }
	for range 2 {
		if got := w.once("nginx")["site.pem"]; got.State != agent.Pending || got.OK {
			t.Errorf("state %q, ok %v, want pending", got.State, got.OK)
		}
	}
	if n := w.responder.Received(); n != 0 {
		t.Errorf("the responder was asked %d times", n)
	}
	if entries, err := os.ReadDir(w.dir); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v in the directory, want only the certificate", entries, err)
	}
}

// TestLookingShowsARevocationBesideAGoodStaple has the good staple stay, by
// choice or because the server cannot do without.
func TestLookingShowsARevocationBesideAGoodStaple(t *testing.T) {
	for name, row := range map[string]struct{ server, onRevoked string }{
		"keep":  {"generic", agent.Keep},
		"hitch": {"hitch", agent.Withdraw},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.group = func(g *agent.Group) { g.Template, g.Policy.OnRevoked = "{path}.ocsp", row.onRevoked }
			issued := w.issue("site.pem", lab.IssueOptions{})
			w.once(row.server)
			if err := w.responder.Revoke(issued.Certificate.SerialNumber, "keyCompromise", time.Now()); err != nil {
				t.Fatal(err)
			}
			w.options = func(o *agent.Options) { o.Force = true }
			w.once(row.server)
			w.mustHold("site.pem")
			w.options = func(o *agent.Options) { o.LookOnly = true }
			if got := w.once(row.server)["site.pem"]; got.State != agent.Revoked || got.OK {
				t.Errorf("state %q, ok %v, want revoked", got.State, got.OK)
			}
			w.responder.Restore(issued.Certificate.SerialNumber)
			w.options = func(o *agent.Options) { o.Force = true }
			w.once(row.server)
			w.options = func(o *agent.Options) { o.LookOnly = true }
			if got := w.once(row.server)["site.pem"]; got.State != agent.Fresh {
				t.Errorf("good again: state %q, want fresh", got.State)
			}
		})
	}
}

// TestLookingShowsNoRevocationThatIsOver has another process, as a timer's, ask
// after a hold was lifted, while the one that heard of it still keeps it.
func TestLookingShowsNoRevocationThatIsOver(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	if err := w.responder.Revoke(issued.Certificate.SerialNumber, "certificateHold", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.once("nginx")
	kept := filepath.Join(w.state, "failures.json")
	b, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	w.responder.Restore(issued.Certificate.SerialNumber)
	w.options = func(o *agent.Options) { o.Force = true }
	w.once("nginx")

	look := func() agent.Certificate { return w.once("nginx")["site.pem"] }
	heard := func(at time.Time) {
		t.Helper()
		var all map[string]*agent.Failure
		if err := json.Unmarshal(b, &all); err != nil || len(all) != 1 {
			t.Fatalf("%d failures, %v", len(all), err)
		}
		for _, f := range all {
			f.At, f.Stated = at, at
		}
		out, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(kept, out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.options = func(o *agent.Options) { o.LookOnly = true }
	heard(time.Now().Add(-time.Hour))
	if got := look(); got.State != agent.Fresh || got.Reason != "" || got.Error != "" {
		t.Errorf("heard before the staple was made: got %+v, want no word of a revocation", got)
	}
	heard(time.Now().Add(time.Second))
	if got := look(); got.State == agent.Fresh || got.Reason != "revoked" || !got.RefreshAt.After(time.Now()) {
		t.Errorf("heard after it: got %+v, want revoked, to be asked again later", got)
	}
}

func TestLookingShowsWhatAnotherProcessWasTold(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	if err := w.responder.SetFault("503=1"); err != nil {
		t.Fatal(err)
	}
	w.once("generic")
	w.options = func(o *agent.Options) { o.LookOnly = true }
	if got := w.once("generic")["site.pem"]; got.State != agent.Missing || got.Reason != "http" {
		t.Errorf("state %q, reason %q, want missing for http", got.State, got.Reason)
	}
}

// TestLookingShowsThatACertificateIsUnknown, as the agent did: the guide has one name for each state.
func TestLookingShowsThatACertificateIsUnknown(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	w.responder.Forget(issued.Certificate.SerialNumber)
	if got := w.once("nginx")["site.pem"]; got.State != agent.Unknown {
		t.Fatalf("asked: state %q, want unknown", got.State)
	}
	w.options = func(o *agent.Options) { o.LookOnly = true }
	if got := w.once("nginx")["site.pem"]; got.State != agent.Unknown || got.OK {
		t.Errorf("looked at: state %q, ok %v, want unknown", got.State, got.OK)
	}
}

// TestLookingShowsWhyAFileHasNotGotItsStaple has the pass before fail to place
// one that is good.
func TestLookingShowsWhyAFileHasNotGotItsStaple(t *testing.T) {
	for name, row := range map[string]struct {
		server string
		state  agent.State
		spoil  func(w *world)
		repair func(w *world)
	}{
		"the server would not take it": {"haproxy", agent.Refused,
			func(w *world) { w.fault("no-next-update") }, func(w *world) { w.fault("") }},
		"it cannot be written": {"generic", agent.NotWritable,
			func(w *world) { w.inTheWay("site.pem.ocsp") }, func(w *world) { w.outOfTheWay("site.pem.ocsp") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.group = func(g *agent.Group) { g.Template = "{path}.ocsp" }
			w.issue("site.pem", lab.IssueOptions{})
			w.issue("other.pem", lab.IssueOptions{})
			row.spoil(w)
			work := func() agent.Certificate { w.options = nil; return w.once(row.server)["site.pem"] }
			look := func() map[string]agent.Certificate {
				w.options = func(o *agent.Options) { o.LookOnly = true }
				return w.once(row.server)
			}
			start := time.Now()
			was := work()
			if was.State != row.state {
				t.Fatalf("asked: state %q, want %q", was.State, row.state)
			}
			got := look()["site.pem"]
			if got.State != row.state || got.OK || got.Error != was.Error || got.ErrorAt.Before(start) || got.ErrorAt.After(time.Now()) {
				t.Errorf("looked at: got %+v, want it %s as it was at that time: %s", got, row.state, was.Error)
			}
			w.issue("site.pem", lab.IssueOptions{})
			if got := look()["site.pem"]; got.State != agent.Pending || got.Error != "" {
				t.Errorf("renewed: state %q (%s), want pending", got.State, got.Error)
			}
			row.repair(w)
			work()
			for name, got := range look() {
				if got.State != agent.Fresh || got.Error != "" || !got.ErrorAt.IsZero() {
					t.Errorf("repaired: %s is %q (%s at %v), want fresh", name, got.State, got.Error, got.ErrorAt)
				}
			}
		})
	}
}

func (w *world) fault(f lab.Fault) {
	w.t.Helper()
	if err := w.responder.SetFault(f); err != nil {
		w.t.Fatal(err)
	}
}

// inTheWay has a directory where a file is to be written.
func (w *world) inTheWay(name string) {
	w.t.Helper()
	if err := os.Mkdir(w.path(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) outOfTheWay(name string) {
	w.t.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}
