package agent_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
)

func TestNewCertificateGetsItsStapleWhileRunning(t *testing.T) {
	w := newWorld(t)
	w.issue("first.pem", lab.IssueOptions{})
	w.run("generic")
	eventually(t, "the first staple", func() bool { _, err := w.verified("first.pem", "first.pem.ocsp"); return err == nil })
	w.issue("second.pem", lab.IssueOptions{})
	eventually(t, "the second staple", func() bool { _, err := w.verified("second.pem", "second.pem.ocsp"); return err == nil })
}

func TestRenewedCertificateGetsItsOwnStaple(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.run("nginx")
	eventually(t, "the first staple", func() bool { _, err := w.verified("site.pem", "site.pem.ocsp"); return err == nil })
	old := w.mustHold("site.pem")
	w.issue("site.pem", lab.IssueOptions{})
	eventually(t, "the staple of the new leaf", func() bool { _, err := w.verified("site.pem", "site.pem.ocsp"); return err == nil })
	if bytes.Equal(old.DER(), w.mustHold("site.pem").DER()) {
		t.Error("the staple of the old leaf verifies for the new one")
	}
}

func TestRenewedCertificateWithoutAnAnswerLosesTheOldStaple(t *testing.T) {
	for server, want := range map[string]func(der []byte, err error) bool{
		"generic": func(_ []byte, err error) bool { return os.IsNotExist(err) },
		"nginx":   func(der []byte, err error) bool { return err == nil && staple.IsPlaceholder(der) },
	} {
		t.Run(server, func(t *testing.T) {
			w := newWorld(t)
			w.issue("site.pem", lab.IssueOptions{})
			w.run(server)
			eventually(t, "the first staple", func() bool { _, err := w.verified("site.pem", "site.pem.ocsp"); return err == nil })
			if err := w.responder.SetFault("500"); err != nil {
				t.Fatal(err)
			}
			w.issue("site.pem", lab.IssueOptions{})
			eventually(t, "the old staple is withdrawn", func() bool { return want(os.ReadFile(w.path("site.pem.ocsp"))) })
			eventually(t, "the hook knows", func() bool { return slices.Contains(w.told.events(), hooks.Withdrawn) })
		})
	}
}

func TestDamageHealsWhileRunning(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.run("generic")
	eventually(t, "the staple", func() bool { _, err := w.verified("site.pem", "site.pem.ocsp"); return err == nil })
	for _, damage := range []func() error{
		func() error { return os.WriteFile(w.path("site.pem.ocsp"), []byte("rubbish"), 0o644) },
		func() error { return os.Remove(w.path("site.pem.ocsp")) },
		func() error { return os.Truncate(w.path("site.pem.ocsp"), 20) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the staple is whole again", func() bool { _, err := w.verified("site.pem", "site.pem.ocsp"); return err == nil })
	}
}

func TestShortLivedStapleIsRenewedBeforeItEnds(t *testing.T) {
	w := newWorld(t)
	// Windows of a second-scale are the real thing in a private PKI's staging;
	// time cannot be faked where inotify and sockets take part.
	short, err := lab.NewResponder(lab.ResponderOptions{CA: w.pki.Intermediate, Validity: 12 * time.Second, Step: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	w.serve(short)
	w.issue("site.pem", lab.IssueOptions{})
	w.run("generic")
	eventually(t, "the first staple", func() bool { _, err := w.verified("site.pem", "site.pem.ocsp"); return err == nil })
	first := w.mustHold("site.pem")
	var next *staple.Staple
	eventually(t, "a newer staple", func() bool {
		s, err := w.verified("site.pem", "site.pem.ocsp")
		next = s
		return err == nil && s.NewerThan(first)
	})
	if !next.ProducedAt.Before(first.NextUpdate) {
		t.Errorf("the next staple was made at %v, the first ended at %v", next.ProducedAt, first.NextUpdate)
	}
}

func TestStaplesElsewhereAreHealedToo(t *testing.T) {
	w := newWorld(t)
	elsewhere := t.TempDir()
	w.group = func(g *agent.Group) { g.Template = filepath.Join(elsewhere, "{name}.der") }
	w.issue("site.pem", lab.IssueOptions{})
	w.run("generic")
	path := filepath.Join(elsewhere, "site.der")
	eventually(t, "the staple", func() bool { b, err := os.ReadFile(path); return err == nil && len(b) > 100 })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the staple is back", func() bool { b, err := os.ReadFile(path); return err == nil && len(b) > 100 })
}

func TestStatusOfARunningAgent(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.write("notes.txt", []byte("nothing of interest"))
	a := w.run("generic")
	var got []agent.Certificate
	eventually(t, "fresh", func() bool {
		got = a.Certificates(t.Context())
		return len(got) == 1 && got[0].State == agent.Fresh
	})
	if got[0].RefreshAt.Before(time.Now()) || got[0].Expires.Before(got[0].RefreshAt) {
		t.Errorf("refresh at %v, expires %v", got[0].RefreshAt, got[0].Expires)
	}
}

func TestDeadResponderDelaysNoOther(t *testing.T) {
	w := newWorld(t)
	hanging := w.another(t)
	if err := hanging.responder.SetFault("hang"); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		issued, err := hanging.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"slow.example.test"}})
		if err != nil {
			t.Fatal(err)
		}
		w.write(string(rune('A'+i%26))+string(rune('a'+i/26))+".pem", issued.ChainPEM())
	}
	w.issue("quick.pem", lab.IssueOptions{})
	w.run("generic")
	within(t, soonerThanAHang, "the staple of the quick responder", func() bool { _, err := w.verified("quick.pem", "quick.pem.ocsp"); return err == nil })
}
