package agent_test

import (
	"crypto"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/hooks"
)

// issueMany writes n certificates of w's CA into the directory.
func (w *world) issueMany(prefix string, n int) {
	w.t.Helper()
	key, err := lab.NewKey("ecdsa")
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range n {
		w.issue(fmt.Sprintf("%s%d.pem", prefix, i), lab.IssueOptions{Names: []string{"many.example.test"}, Key: key})
	}
}

func TestThousandRenewedAtOnceAreOneReload(t *testing.T) {
	w := newWorld(t)
	w.options = func(o *agent.Options) { o.Log = slog.New(slog.DiscardHandler) }
	const n = 1000
	for pass := range 2 { // new, then renewed
		w.issueMany("c", n)
		if _, err := w.agent("generic").RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.told.count(); got != pass+1 {
			t.Fatalf("%d reloads after %d passes, want one each", got, pass+1)
		}
		changed := make(map[string]bool)
		for _, c := range w.told.batches[pass] {
			if c.Event == hooks.Placed {
				changed[c.Cert] = true
			}
		}
		if len(changed) != n {
			t.Errorf("%d staples were told of at once, want %d", len(changed), n)
		}
	}
}

func TestThousandBehindAHangingResponderDelayNoOther(t *testing.T) {
	w := newWorld(t)
	w.options = func(o *agent.Options) { o.Log = slog.New(slog.DiscardHandler) }
	hanging := w.another(t)
	if err := hanging.responder.SetFault("hang"); err != nil {
		t.Fatal(err)
	}
	hanging.issueMany("slow", 1000)
	w.run("generic")
	eventually(t, "the hanging responder is asked", func() bool { return hanging.responder.Received() > 0 })
	w.issue("quick.pem", lab.IssueOptions{})
	within(t, soonerThanAHang, "the staple of the quick responder", func() bool { _, err := w.verified("quick.pem", "quick.pem.ocsp"); return err == nil })
}

func TestCertIDHashIsWhatTheResponderWants(t *testing.T) {
	for name, row := range map[string]struct {
		server string
		fault  lab.Fault
		ask    crypto.Hash
		want   crypto.Hash
		state  agent.State
	}{
		"SHA-1 by default":           {server: "generic", want: crypto.SHA1, state: agent.Fresh},
		"SHA-256 if configured":      {server: "generic", ask: crypto.SHA256, want: crypto.SHA256, state: agent.Fresh},
		"SHA-256 is not for HAProxy": {server: "haproxy", ask: crypto.SHA256, state: agent.Refused},
		"SHA-1 after all, where the responder knows no other": {
			server: "generic", fault: "sha1-only", ask: crypto.SHA256, want: crypto.SHA1, state: agent.Fresh},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.responder.SetFault(row.fault); err != nil {
				t.Fatal(err)
			}
			w.options = func(o *agent.Options) {
				o.Asking = func(string) agent.Asking { return agent.Asking{Hash: row.ask} }
			}
			w.issue("site.pem", lab.IssueOptions{})
			if got := w.once(row.server)["site.pem"]; got.State != row.state {
				t.Fatalf("state %q (%s), want %q", got.State, got.Error, row.state)
			}
			if row.want != 0 && w.mustHold("site.pem").Hash != row.want {
				t.Errorf("CertID by %v, want %v", w.mustHold("site.pem").Hash, row.want)
			}
		})
	}
}

func TestNonceIsSentWhereConfiguredAndMayBeIgnored(t *testing.T) {
	for _, echo := range []bool{true, false} {
		w := newWorld(t)
		nonces := make(chan int, 16)
		r, err := lab.NewResponder(lab.ResponderOptions{CA: w.pki.Intermediate, EchoNonce: echo, Backdate: time.Minute, Observe: func(x lab.Exchange) { nonces <- len(x.Nonce) }})
		if err != nil {
			t.Fatal(err)
		}
		w.serve(r)
		w.options = func(o *agent.Options) {
			o.Asking = func(string) agent.Asking { return agent.Asking{Nonce: true} }
		}
		w.issue("site.pem", lab.IssueOptions{})
		if got := w.once("generic")["site.pem"]; got.State != agent.Fresh {
			t.Errorf("echo %v: state %q (%s)", echo, got.State, got.Error)
		}
		if n := <-nonces; n != 32 {
			t.Errorf("a nonce of %d octets was sent, want 32 (RFC 9654)", n)
		}
	}
}
