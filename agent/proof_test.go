package agent_test

import (
	"crypto/tls"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/prove"
)

// tlsServer serves a certificate with the staple that was there when it was
// last told to reload, as nginx does.
func tlsServer(t *testing.T, issued *lab.Issued, path string) (address prove.Address, reload func()) {
	t.Helper()
	var cert atomic.Pointer[tls.Certificate]
	reload = func() {
		der, err := os.ReadFile(path)
		if err != nil {
			der = nil
		}
		c := issued.TLS(der)
		cert.Store(&c)
	}
	reload()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert.Load(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake() // the client's findings are what counts
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	a, err := prove.ParseAddress(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return a, reload
}

func TestHandshakeProvesWhatIsServed(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	address, reload := tlsServer(t, issued, w.path("site.pem.ocsp"))
	w.group = func(g *agent.Group) { g.Prove = []prove.Address{address} }
	w.options = func(o *agent.Options) { o.ProveWithin = 200 * time.Millisecond }
	said := w.logTo()
	a := w.agent("generic")
	w.told.after(a.ProveSoon) // as a hook's result does
	w.start(a)
	result := func() prove.Result {
		if p := a.Proofs(); len(p) == 1 {
			return p[0].Result
		}
		return ""
	}
	// Nobody reloads the server: it serves nothing while there is a staple.
	eventually(t, "the staple", func() bool { _, err := w.verified("site.pem", "site.pem.ocsp"); return err == nil })
	eventually(t, "the finding that it is not served", func() bool { return result() == prove.NoneServed })
	const wrong = "level=ERROR msg=\"server does not serve what is on disk\""
	eventually(t, "a word of it", func() bool { return len(said.lines(wrong)) == 1 })
	reload()
	a.ProveSoon()
	eventually(t, "the proof", func() bool { return result() == prove.Proven })
}

func TestLeafForAnotherNameThanAskedForIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{Names: []string{"site.test"}})
	right, reload := tlsServer(t, issued, w.path("site.pem.ocsp"))
	wrong, plain := right, right
	right.ServerName, wrong.ServerName = "site.test", "typo.test"
	w.group = func(g *agent.Group) { g.Prove = []prove.Address{right, wrong, plain} }
	var proofs atomic.Int64
	w.options = func(o *agent.Options) {
		o.ProveWithin = time.Second
		o.Proved = func(prove.Finding) { proofs.Add(1) }
	}
	said := w.logTo()
	a := w.agent("generic")
	w.told.after(func() { reload(); a.ProveSoon() })
	w.start(a)
	for n := int64(3); n <= 6; n += 3 {
		eventually(t, "the proofs", func() bool { return proofs.Load() >= n })
		a.ProveSoon()
	}
	for _, f := range a.Proofs() {
		if f.Result != prove.Proven {
			t.Errorf("the staple is not held good: %+v", f)
		}
	}
	lines := said.lines("server presents a certificate for another name")
	want := "level=WARN msg=\"server presents a certificate for another name\" address=" + wrong.String() +
		" err=\"site.test is not for typo.test: the server may not know this name\""
	if len(lines) != 1 || !strings.Contains(lines[0], want) {
		t.Errorf("got %q, want %s once", lines, want)
	}
}

func TestPassFailsIfTheServerServesSomethingElse(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	w.issue("other.pem", lab.IssueOptions{})
	w.once("generic")
	wrong, _ := tlsServer(t, issued, w.path("other.pem.ocsp"))
	nobody, err := prove.ParseAddress("127.0.0.1:1") // a port that was free just now may be taken
	if err != nil {
		t.Fatal(err)
	}
	w.options = func(o *agent.Options) { o.ProveWithin = time.Second }
	w.group = func(g *agent.Group) { g.Prove = []prove.Address{nobody} }
	if _, err := w.agent("generic").RunOnce(t.Context()); err != nil {
		t.Errorf("a server that does not run yet: %v", err)
	}
	w.group = func(g *agent.Group) { g.Prove = []prove.Address{wrong} }
	_, err = w.agent("generic").RunOnce(t.Context())
	if _, ok := errors.AsType[*agent.ProofError](err); !ok {
		t.Errorf("the staple of another certificate is served: %v", err)
	}
}

// deafFor makes the hook reload the server, except for its first n calls, whose
// signal is lost.
func (w *world) deafFor(n int, reload func()) *atomic.Int64 {
	calls := new(atomic.Int64)
	w.told.after(func() {
		if calls.Add(1) > int64(n) {
			reload()
		}
	})
	return calls
}

func TestHookIsToldAgainIfTheServerDidNotHear(t *testing.T) {
	for _, how := range []string{"daemon", "single pass"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			issued := w.issue("site.pem", lab.IssueOptions{})
			address, reload := tlsServer(t, issued, w.path("site.pem.ocsp"))
			calls := w.deafFor(1, reload)
			w.group = func(g *agent.Group) { g.Prove = []prove.Address{address} }
			w.options = func(o *agent.Options) { o.ProveWithin = 200 * time.Millisecond }
			a := w.agent("generic")
			if how == "daemon" {
				w.told.after(a.ProveSoon)
				w.start(a)
			} else if _, err := a.RunOnce(t.Context()); err != nil {
				t.Errorf("the pass failed: %v", err)
			}
			eventually(t, "the proof", func() bool { p := a.Proofs(); return len(p) == 1 && p[0].Result == prove.Proven })
			if n := calls.Load(); n != 2 {
				t.Errorf("the hook was told %d times, want twice", n)
			}
		})
	}
}

func TestServerThatNeverServesTheStapleIsNotReloadedForEver(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	address, reload := tlsServer(t, issued, w.path("site.pem.ocsp"))
	calls := w.deafFor(1000, reload)
	w.group = func(g *agent.Group) { g.Prove = []prove.Address{address} }
	var proofs atomic.Int64
	w.options = func(o *agent.Options) {
		o.ProveWithin = -1
		o.Proved = func(prove.Finding) { proofs.Add(1) }
	}
	a := w.agent("generic")
	w.told.after(a.ProveSoon)
	w.start(a)
	eventually(t, "the second telling", func() bool { return calls.Load() == 2 })
	before := proofs.Load()
	for range 2 {
		a.ProveSoon()
		eventually(t, "another proof", func() bool { return proofs.Load() > before })
		before = proofs.Load()
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("the hook was told %d times, want twice", n)
	}
	// Another staple is another matter.
	w.responder.Renew()
	if _, err := a.Refresh(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new staple's two tellings", func() bool { return calls.Load() == 4 })
}
