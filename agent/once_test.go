package agent_test

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
)

func TestFirstPassPlacesAStapleAndTellsTheHook(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	got := w.once("generic")["site.pem"]
	if got.State != agent.Fresh || !got.OK {
		t.Errorf("state %q (%s), want fresh", got.State, got.Error)
	}
	s := w.mustHold("site.pem")
	if !s.NextUpdate.Equal(got.NextUpdate) {
		t.Errorf("nextUpdate %v reported, %v on disk", got.NextUpdate, s.NextUpdate)
	}
	if want := []hooks.Event{hooks.Placed}; !slices.Equal(w.told.events(), want) {
		t.Errorf("hook was told %v, want %v", w.told.events(), want)
	}
	if want := lab.SerialText(issued.Certificate.SerialNumber); got.Serial == "" || want == "" {
		t.Errorf("serial %q", got.Serial)
	}
}

func TestSecondPassAsksNobodyAndTellsNobody(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.once("generic")
	asked, told := w.responder.Received(), w.told.count()
	before, err := os.Stat(w.path("site.pem.ocsp"))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.once("generic")["site.pem"]; got.State != agent.Fresh {
		t.Errorf("state %q, want fresh", got.State)
	}
	after, err := os.Stat(w.path("site.pem.ocsp"))
	if err != nil {
		t.Fatal(err)
	}
	if w.responder.Received() != asked {
		t.Errorf("%d more requests for a fresh staple", w.responder.Received()-asked)
	}
	if w.told.count() != told || !os.SameFile(before, after) {
		t.Errorf("a fresh staple was written again or announced again")
	}
}

func TestSameLeafInSeveralFilesIsAskedAboutOnce(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("a.pem", lab.IssueOptions{})
	for _, name := range []string{"b.pem", "c.pem", "d.pem"} {
		w.write(name, issued.ChainPEM())
	}
	w.once("generic")
	var first []byte
	for _, name := range []string{"a.pem", "b.pem", "c.pem", "d.pem"} {
		w.mustHold(name)
		b, err := os.ReadFile(w.path(name + ".ocsp"))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Errorf("%s has another staple than a.pem", name)
		}
	}
	if n := w.responder.Received(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestCopyOfACertificateTakesTheStapleThatIsThere(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("a.pem", lab.IssueOptions{})
	w.once("generic")
	if err := w.responder.SetFault("500"); err != nil {
		t.Fatal(err)
	}
	w.write("b.pem", issued.ChainPEM())
	if got := w.once("generic")["b.pem"]; got.State != agent.Fresh {
		t.Errorf("state %q, want fresh", got.State)
	}
	w.mustHold("b.pem")
	if n := w.responder.Received(); n != 1 {
		t.Errorf("%d requests, want the first one only", n)
	}
}

func TestDamagedStapleHeals(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.once("generic")
	if err := os.WriteFile(w.path("site.pem.ocsp"), []byte("rubbish"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := w.once("generic")["site.pem"]; got.State != agent.Fresh {
		t.Errorf("state %q, want fresh", got.State)
	}
	w.mustHold("site.pem")
}

func TestRevokedIsWithdrawnAndTold(t *testing.T) {
	for name, want := range map[string]struct {
		onRevoked string
		good      bool
		published bool
	}{
		"withdraw": {onRevoked: agent.Withdraw},
		"keep":     {onRevoked: agent.Keep, good: true},
		"publish":  {onRevoked: agent.Publish, published: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.group = func(g *agent.Group) { g.Policy.OnRevoked = want.onRevoked }
			issued := w.issue("site.pem", lab.IssueOptions{})
			w.once("generic")
			if err := w.responder.Revoke(issued.Certificate.SerialNumber, "keyCompromise", time.Now().Add(-time.Minute)); err != nil {
				t.Fatal(err)
			}
			w.options = func(o *agent.Options) { o.Force = true }
			got := w.once("generic")["site.pem"]
			if got.State != agent.Revoked || got.OK {
				t.Errorf("state %q, ok %v, want revoked and not ok", got.State, got.OK)
			}
			s, err := w.verified("site.pem", "site.pem.ocsp")
			if (err == nil) != want.good {
				t.Errorf("staple on disk: %v, %v", s, err)
			}
			if want.published && !isReason(err, staple.IsRevoked) {
				t.Errorf("on disk is %v, want the revoked statement", err)
			}
			if !want.good && !want.published && !os.IsNotExist(err) {
				t.Errorf("on disk is %v, want nothing", err)
			}
			if !slices.Contains(w.told.events(), hooks.Revoked) {
				t.Errorf("hook was told %v, want revoked among it", w.told.events())
			}
			w.once("generic")
			n := 0
			for _, e := range w.told.events() {
				if e == hooks.Revoked {
					n++
				}
			}
			if n != 1 {
				t.Errorf("the revocation was announced %d times", n)
			}
		})
	}
}

func TestUnknownKeepsAGoodStaple(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	w.once("generic")
	w.responder.Forget(issued.Certificate.SerialNumber)
	w.options = func(o *agent.Options) { o.Force = true }
	got := w.once("generic")["site.pem"]
	if got.State != agent.Fresh || got.Reason != string(staple.IsUnknown) {
		t.Errorf("state %q, reason %q, want fresh and unknown", got.State, got.Reason)
	}
	w.mustHold("site.pem")
}
