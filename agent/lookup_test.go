package agent_test

import (
	"crypto"
	"os"
	"slices"
	"testing"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher/chain"
)

// found asks an index for a certificate, by both hashes.
func (w *world) found(x *agent.Index, leaf *lab.Issued) *agent.Managed {
	w.t.Helper()
	issuer, err := chain.NewIssuer(leaf.Issuer.Certificate)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := chain.NewLeaf(leaf.Certificate)
	if err != nil {
		w.t.Fatal(err)
	}
	ask := func(h crypto.Hash) *agent.Managed {
		name, key, _ := issuer.IDHashes(h)
		if m := x.Find(h, key, name, l.Serial); m != nil {
			w.t.Errorf("%v: found by hashes that are not the issuer's", h)
		}
		return x.Find(h, name, key, l.Serial)
	}
	// The agent may put another in its place between the two questions.
	for range 100 {
		if m := ask(crypto.SHA1); m == ask(crypto.SHA256) {
			return m
		}
	}
	w.t.Errorf("got %v by SHA-1 and %v by SHA-256, again and again", ask(crypto.SHA1), ask(crypto.SHA256))
	return nil
}

func TestAnIndexFollowsTheCertificates(t *testing.T) {
	w := newWorld(t)
	x := agent.NewIndex()
	w.options = func(o *agent.Options) { o.Index = x }
	first := w.issue("site.pem", lab.IssueOptions{})
	w.write("copy.pem", first.ChainPEM())
	other := w.issue("other.pem", lab.IssueOptions{})
	never := w.issue("never.pem", lab.IssueOptions{})
	if err := os.Remove(w.path("never.pem")); err != nil {
		t.Fatal(err)
	}
	w.run("generic")
	eventually(t, "both files of a leaf are found", func() bool {
		m := w.found(x, first)
		return m != nil && len(m.Staples) == 2
	})
	m := w.found(x, first)
	slices.Sort(m.Staples)
	if want := []string{w.path("copy.pem.ocsp"), w.path("site.pem.ocsp")}; !slices.Equal(m.Staples, want) {
		t.Errorf("staples: got %v, want %v", m.Staples, want)
	}
	if m.Configured || !slices.Equal(m.Responders, []string{w.url}) || m.Policy.OnRevoked != agent.Withdraw {
		t.Errorf("got %+v", m)
	}
	eventually(t, "the other one is found", func() bool { return w.found(x, other) != nil })
	if w.found(x, never) != nil {
		t.Error("a certificate is found that was never there")
	}

	renewed := w.issue("site.pem", lab.IssueOptions{})
	eventually(t, "the renewed leaf is found", func() bool { return w.found(x, renewed) != nil })
	if m := w.found(x, first); m == nil || !slices.Equal(m.Staples, []string{w.path("copy.pem.ocsp")}) {
		t.Errorf("the copy of the old leaf: got %+v", m)
	}
	for _, name := range []string{"copy.pem", "site.pem", "other.pem"} {
		if err := os.Remove(w.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "what has gone is not found", func() bool {
		return w.found(x, first) == nil && w.found(x, renewed) == nil && w.found(x, other) == nil
	})
	issuer, err := chain.NewIssuer(w.pki.Intermediate.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	name, key, _ := issuer.IDHashes(crypto.SHA1)
	if s := x.Sibling(crypto.SHA1, name, key); s != nil {
		t.Errorf("an issuer without leaves: got %+v", s)
	}
}

func TestAnIndexKnowsWhoIsAskedInstead(t *testing.T) {
	w := newWorld(t)
	x := agent.NewIndex()
	w.options = func(o *agent.Options) { o.Index = x }
	w.group = func(g *agent.Group) { g.Responder, g.Strict = w.url+"/other", true }
	leaf := w.issue("site.pem", lab.IssueOptions{})
	select {
	case <-x.Known():
		t.Error("all is known before anybody has looked")
	default:
	}
	w.once("generic")
	select {
	case <-x.Known():
	default:
		t.Error("after a pass not all is known")
	}
	m := w.found(x, leaf)
	if m == nil || !m.Configured || !m.Strict || !slices.Equal(m.Responders, []string{w.url + "/other"}) {
		t.Errorf("got %+v", m)
	}
	issuer := m.Chain.Issuer
	name, key, _ := issuer.IDHashes(crypto.SHA256)
	if s := x.Sibling(crypto.SHA256, name, key); s != m {
		t.Errorf("got %+v as the issuer's leaf, want %+v", s, m)
	}
}
