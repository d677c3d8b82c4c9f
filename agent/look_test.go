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
