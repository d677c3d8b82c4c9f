package agent_test

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/watcher"
)

// tlsAt serves what choose says for each connection.
func tlsAt(t *testing.T, choose func() *tls.Certificate) prove.Address {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return choose(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = c.(*tls.Conn).Handshake() // the client's findings are what counts
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	a, err := prove.ParseAddress(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestServersBehindOneAddressAreNotReloadedForEver has two servers that differ
// in their certificate take turns, and neither ever serves a staple.
func TestServersBehindOneAddressAreNotReloadedForEver(t *testing.T) {
	w := newWorld(t)
	certs := []tls.Certificate{w.issue("a.pem", lab.IssueOptions{}).TLS(nil), w.issue("b.pem", lab.IssueOptions{}).TLS(nil)}
	var turn atomic.Int64
	address := tlsAt(t, func() *tls.Certificate { return &certs[turn.Add(1)%2] })
	w.group = func(g *agent.Group) { g.Prove = []prove.Address{address} }
	var proofs atomic.Int64
	w.options = func(o *agent.Options) {
		o.ProveWithin = -1
		o.Proved = func(prove.Finding) { proofs.Add(1) }
	}
	a := w.run("generic")
	// Once for each certificate, and in the same delivery or not. Whose turn it
	// is when is left to chance: a staple may come late.
	eventually(t, "both to be told again", func() bool { a.ProveSoon(); return len(w.told.events()) >= 4 })
	for range 2 {
		before := proofs.Load()
		a.ProveSoon()
		eventually(t, "another proof", func() bool { return proofs.Load() > before })
	}
	if got := len(w.told.events()); got != 4 {
		t.Errorf("hooks were told of %d changes, want two of each certificate", got)
	}
}

func TestHookIsToldAgainIfTheServerStillHasTheOldCertificate(t *testing.T) {
	w := newWorld(t)
	old := w.issue("site.pem", lab.IssueOptions{})
	other := w.issue("other.pem", lab.IssueOptions{})
	address, _ := tlsServer(t, old, w.path("site.pem.ocsp"))
	w.group = func(g *agent.Group) {
		g.Prove = []prove.Address{address}
		g.Sources = []watcher.Source{{Path: w.dir}}
	}
	w.options = func(o *agent.Options) { o.ProveWithin = -1 }
	w.issue("site.pem", lab.IssueOptions{}) // renewed, and nobody has told the server
	if _, err := w.agent("generic").RunOnce(t.Context()); err == nil {
		t.Error("the pass did not fail")
	}
	told := make(map[string]int)
	w.told.mu.Lock()
	defer w.told.mu.Unlock()
	for _, batch := range w.told.batches {
		for _, c := range batch {
			told[c.Name]++
		}
	}
	if told["site.example.test"] != 2 || told["other.example.test"] != 1 {
		t.Errorf("told of %v, want the renewed certificate twice and %s once", told, other.Certificate.Subject)
	}
}

// TestASlowServerKeepsNoOtherGroupWaiting has a server of one group answer
// only when that of the other has been asked.
func TestASlowServerKeepsNoOtherGroupWaiting(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	w.once("generic")
	other, asked := net.Listener(nil), make(chan struct{})
	var err error
	if other, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for first := true; ; first = false {
			c, err := other.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
			if first {
				close(asked)
			}
		}
	}()
	t.Cleanup(func() { _ = other.Close() })
	der := w.mustHold("site.pem").DER()
	cert := issued.TLS(der)
	over := t.Context().Done()
	slow := tlsAt(t, func() *tls.Certificate {
		select {
		case <-asked:
		case <-over:
		}
		return &cert
	})
	second, err := prove.ParseAddress(other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w.group = func(g *agent.Group) { g.Prove = []prove.Address{slow} }
	w.options = func(o *agent.Options) {
		o.ProveWithin = -1
		g := o.Groups[0]
		g.Sources, g.Prove = []watcher.Source{{Path: w.path("nothing.pem")}}, []prove.Address{second}
		o.Groups = append(o.Groups, g)
	}
	a := w.agent("generic")
	_, _ = a.RunOnce(t.Context()) // the second one serves nothing
	for _, f := range a.Proofs() {
		if f.Address == slow && f.Result != prove.Proven {
			t.Errorf("the first group's server: got %s (%s), want it proven", f.Result, f.Detail)
		}
	}
	if len(a.Proofs()) != 2 {
		t.Errorf("got %d proofs, want 2", len(a.Proofs()))
	}
}
