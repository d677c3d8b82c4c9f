package agent_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
)

func TestPlaceholderStandsWhereNginxHasNoStaple(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	if err := w.responder.SetFault("503"); err != nil {
		t.Fatal(err)
	}
	if got := w.once("nginx")["site.pem"]; got.State != agent.Missing {
		t.Errorf("state %q, want missing", got.State)
	}
	der, err := os.ReadFile(w.path("site.pem.ocsp"))
	if err != nil || !staple.IsPlaceholder(der) {
		t.Errorf("on disk: %x, %v, want the placeholder", der, err)
	}
	if n := w.told.count(); n != 0 {
		t.Errorf("the hook was told %d times of a placeholder where nothing was", n)
	}
	if err := w.responder.SetFault(""); err != nil {
		t.Fatal(err)
	}
	if got := w.once("nginx")["site.pem"]; got.State != agent.Fresh {
		t.Errorf("state %q, want fresh", got.State)
	}
	w.mustHold("site.pem")
}

// A CA that has stopped OCSP issues leaves without a responder, and the line
// ssl_stapling_file in nginx's configuration stays.
func TestLeafThatCanHaveNoStapleGetsWhatTheServerStartsWith(t *testing.T) {
	plain := func(*agent.Group) {}
	for name, row := range map[string]struct {
		server      string
		group       func(*agent.Group)
		placeholder bool
	}{
		"nginx":                  {"nginx", plain, true},
		"nginx with a snippet":   {"nginx", func(g *agent.Group) { g.Profile = g.Profile.WithSnippet() }, false},
		"HAProxy with a reserve": {"haproxy", func(g *agent.Group) { g.Profile = g.Profile.WithReserve() }, false},
		"generic":                {"generic", plain, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.group = row.group
			w.issue("new.pem", lab.IssueOptions{Responders: []string{}})
			w.issue("renewed.pem", lab.IssueOptions{})
			w.once(row.server)
			told := w.told.count()
			if row.placeholder && told != 1 {
				t.Errorf("hooks were told %d times, want once, of the staple", told)
			}
			leaf := w.issue("renewed.pem", lab.IssueOptions{Responders: []string{}})
			w.write("renewed.pem", leaf.CertPEM()) // nor is there an issuer
			got := w.once(row.server)
			for _, cert := range []string{"new.pem", "renewed.pem"} {
				if got[cert].State != agent.NoResponder || !got[cert].OK {
					t.Errorf("%s: state %q, ok %v, want no-responder and ok", cert, got[cert].State, got[cert].OK)
				}
				der, err := os.ReadFile(w.path(cert + ".ocsp"))
				switch {
				case row.placeholder && !staple.IsPlaceholder(der):
					t.Errorf("%s: %x, %v beside it, want the placeholder", cert, der, err)
				case !row.placeholder && cert == "new.pem" && !os.IsNotExist(err):
					t.Errorf("%s: %x, %v beside it, want no file", cert, der, err)
				}
			}
		})
	}
}

func TestOldStapleOfARenewedLeafWithoutAnIssuerIsWithdrawn(t *testing.T) {
	for name, row := range map[string]struct {
		server string
		leaf   lab.IssueOptions
		gone   bool
	}{
		"generic":               {"generic", lab.IssueOptions{}, true},
		"exim":                  {"exim", lab.IssueOptions{}, true},
		"nginx":                 {"nginx", lab.IssueOptions{}, false},
		"nginx, no responder":   {"nginx", lab.IssueOptions{Responders: []string{}}, false},
		"generic, no responder": {"generic", lab.IssueOptions{Responders: []string{}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			old := w.issue("site.pem", lab.IssueOptions{})
			w.once(row.server)
			before := w.mustHold("site.pem")
			w.write("site.pem", old.CertPEM()) // the issuer goes, the leaf stays
			w.once(row.server)
			if der, err := os.ReadFile(w.path("site.pem.ocsp")); !bytes.Equal(der, before.DER()) {
				t.Errorf("the staple of the leaf that is there was touched: %v", err)
			}
			leaf, err := w.pki.Intermediate.Issue(row.leaf)
			if err != nil {
				t.Fatal(err)
			}
			w.write("site.pem", leaf.CertPEM())
			w.once(row.server)
			der, err := os.ReadFile(w.path("site.pem.ocsp"))
			if row.gone && !os.IsNotExist(err) || !row.gone && !staple.IsPlaceholder(der) {
				t.Errorf("beside the renewed leaf: %d octets, %v; want the earlier leaf's staple gone", len(der), err)
			}
		})
	}
}

func TestOrphanOfAnEarlierLeafIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.once("generic")
	w.issue("site.pem", lab.IssueOptions{Responders: []string{}})
	if got := w.once("generic")["site.pem"]; got.State != agent.NoResponder {
		t.Errorf("state %q, want no-responder", got.State)
	}
	if _, err := os.Stat(w.path("site.pem.ocsp")); !os.IsNotExist(err) {
		t.Errorf("the earlier leaf's staple is still there: %v", err)
	}
}

func TestEmptyFileReservesAPlaceInHAProxy(t *testing.T) {
	w := newWorld(t)
	w.group = func(g *agent.Group) { g.Profile = g.Profile.WithReserve() }
	w.issue("site.pem", lab.IssueOptions{})
	if err := w.responder.SetFault("503"); err != nil {
		t.Fatal(err)
	}
	w.once("haproxy")
	info, err := os.Stat(w.path("site.pem.ocsp"))
	if err != nil || info.Size() != 0 {
		t.Errorf("on disk: %v, %v, want an empty file", info, err)
	}
}

func TestStapleThatTheServerWouldNotTakeIsNotPlaced(t *testing.T) {
	w := newWorld(t)
	endless, err := lab.NewResponder(lab.ResponderOptions{CA: w.pki.Intermediate, NoNextUpdate: true})
	if err != nil {
		t.Fatal(err)
	}
	w.serve(endless)
	w.issue("site.pem", lab.IssueOptions{})
	got := w.once("haproxy")["site.pem"]
	if got.State != agent.Refused || got.OK || got.Error == "" {
		t.Errorf("state %q, ok %v, error %q", got.State, got.OK, got.Error)
	}
	if _, err := os.Stat(w.path("site.pem.ocsp")); !os.IsNotExist(err) {
		t.Errorf("it was placed all the same: %v", err)
	}
	if got := w.once("generic")["site.pem"]; got.State != agent.Fresh {
		t.Errorf("generic: state %q, want fresh", got.State)
	}
}

func TestSnippetComesAndGoesWithTheStaple(t *testing.T) {
	w := newWorld(t)
	snippets := t.TempDir()
	w.group = func(g *agent.Group) {
		g.Profile = g.Profile.WithSnippet()
		g.Snippet, g.SnippetText = snippets+"/{name}.conf", profile.Snippet
	}
	issued := w.issue("site.pem", lab.IssueOptions{})
	w.once("nginx")
	want := "ssl_stapling on;\nssl_stapling_file \"" + w.path("site.pem.ocsp") + "\";\n"
	read := func() string {
		b, err := os.ReadFile(snippets + "/site.conf")
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	if got := read(); got != want {
		t.Errorf("snippet %q, want %q", got, want)
	}
	told := w.told.count()
	w.once("nginx")
	if w.told.count() != told {
		t.Error("nothing changed, and the hook was told")
	}
	if err := os.WriteFile(snippets+"/site.conf", []byte("ssl_sta"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.once("nginx")
	if got := read(); got != want {
		t.Errorf("torn snippet was not mended: %q", got)
	}
	if w.told.count() != told+1 {
		t.Errorf("the hook was told %d times of a mended snippet, want once", w.told.count()-told)
	}
	if err := w.responder.Revoke(issued.Certificate.SerialNumber, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	w.options = func(o *agent.Options) { o.Force = true }
	w.once("nginx")
	for _, path := range []string{snippets + "/site.conf", w.path("site.pem.ocsp")} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there after the revocation: %v", path, err)
		}
	}
}

// nginx does not start with a snippet that names a file which is not there.
func TestSnippetIsNeverThereWithoutItsStaple(t *testing.T) {
	w := newWorld(t)
	snippets := t.TempDir()
	w.group = func(g *agent.Group) {
		g.Profile = g.Profile.WithSnippet()
		g.Snippet, g.SnippetText = snippets+"/{name}.conf", profile.Snippet
	}
	blocked := w.issue("blocked.pem", lab.IssueOptions{})
	kept := w.issue("kept.pem", lab.IssueOptions{})
	inTheWay := func(path string) { // neither replaced nor removed
		t.Helper()
		if err := os.MkdirAll(path+"/x", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	inTheWay(w.path("blocked.pem.ocsp"))
	w.once("nginx")
	if _, err := os.Stat(snippets + "/blocked.conf"); !os.IsNotExist(err) {
		t.Errorf("the staple could not be written, and its snippet was: %v", err)
	}
	before := w.mustHold("kept.pem")
	if err := os.Remove(snippets + "/kept.conf"); err != nil {
		t.Fatal(err)
	}
	inTheWay(snippets + "/kept.conf")
	for _, leaf := range []*lab.Issued{blocked, kept} {
		if err := w.responder.Revoke(leaf.Certificate.SerialNumber, "", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	w.options = func(o *agent.Options) { o.Force = true }
	w.once("nginx")
	if der, err := os.ReadFile(w.path("kept.pem.ocsp")); !bytes.Equal(der, before.DER()) {
		t.Errorf("the snippet could not be removed, and its staple was: %v", err)
	}
}

func TestReadOnlyPlaceStopsNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.issue("good.pem", lab.IssueOptions{})
	w.issue("bad.pem", lab.IssueOptions{})
	// A directory where the staple has to go cannot be replaced by a file.
	if err := os.MkdirAll(w.path("bad.pem.ocsp/x"), 0o755); err != nil {
		t.Fatal(err)
	}
	got := w.once("generic")
	if got["bad.pem"].State != agent.NotWritable || got["bad.pem"].Error == "" {
		t.Errorf("bad.pem: %q, %q", got["bad.pem"].State, got["bad.pem"].Error)
	}
	if got["good.pem"].State != agent.Fresh {
		t.Errorf("good.pem: %q", got["good.pem"].State)
	}
}

// TestFIFOInAStaplesPlaceStopsNobody: to open one waits until somebody writes to
// it, which may be never.
func TestFIFOInAStaplesPlaceStopsNobody(t *testing.T) {
	w := newWorld(t)
	w.issue("good.pem", lab.IssueOptions{})
	w.issue("bad.pem", lab.IssueOptions{})
	if err := syscall.Mkfifo(w.path("bad.pem.ocsp"), 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan map[string]agent.Certificate, 1)
	go func() { done <- w.once("generic") }()
	var got map[string]agent.Certificate
	select {
	case got = <-done:
	case <-time.After(time.Minute):
		t.Fatal("the pass does not end")
	}
	if got["bad.pem"].State != agent.NotWritable || !strings.Contains(got["bad.pem"].Error, "not a regular file") {
		t.Errorf("bad.pem: %q, %q", got["bad.pem"].State, got["bad.pem"].Error)
	}
	if got["good.pem"].State != agent.Fresh {
		t.Errorf("good.pem: %q", got["good.pem"].State)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	for _, server := range []string{"generic", "nginx"} { // nginx needs a file, whatever comes
		t.Run(server, func(t *testing.T) {
			w := newWorld(t)
			w.issue("site.pem", lab.IssueOptions{})
			w.options = func(o *agent.Options) { o.DryRun = true }
			got := w.once(server)["site.pem"]
			if !strings.HasPrefix(got.Would, "place a staple valid until ") {
				t.Errorf("got %q as what it would do, want that it would place a staple", got.Would)
			}
			if _, err := os.Stat(w.path("site.pem.ocsp")); !os.IsNotExist(err) {
				t.Errorf("a staple was placed: %v", err)
			}
			if w.told.count() != 0 {
				t.Error("the hook was told")
			}
		})
	}
}

func TestTwoCertificatesForOneStapleAreToldApart(t *testing.T) {
	w := newWorld(t)
	w.group = func(g *agent.Group) { g.Template = "{dir}/one.ocsp" }
	w.issue("a.pem", lab.IssueOptions{})
	w.issue("b.pem", lab.IssueOptions{})
	got := w.once("generic")
	states := []agent.State{got["a.pem"].State, got["b.pem"].State}
	slices.Sort(states)
	if want := []agent.State{agent.Fresh, agent.PathConflict}; !slices.Equal(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
}

// TestSnippetIsOfOneCertificate shows that two certificates of one name in
// different directories do not take turns with a snippet, which would have nginx
// staple the one with the staple of the other.
func TestSnippetIsOfOneCertificate(t *testing.T) {
	w := newWorld(t)
	snippets := t.TempDir()
	w.group = func(g *agent.Group) {
		g.Profile = g.Profile.WithSnippet()
		g.Snippet, g.SnippetText = snippets+"/one.conf", profile.Snippet
	}
	w.issue("a.pem", lab.IssueOptions{})
	w.issue("b.pem", lab.IssueOptions{})
	var before []byte
	for range 3 {
		got := w.once("nginx")
		states := []agent.State{got["a.pem"].State, got["b.pem"].State}
		slices.Sort(states)
		if want := []agent.State{agent.Fresh, agent.PathConflict}; !slices.Equal(states, want) {
			t.Errorf("states %v, want %v", states, want)
		}
		text, err := os.ReadFile(snippets + "/one.conf")
		if err != nil || before != nil && !bytes.Equal(text, before) {
			t.Errorf("snippet: got %q, %v, want it as it was, %q", text, err, before)
		}
		before = text
	}
}

// TestSnippetReplacesNothingElse has a snippet's path be that of a site's
// configuration, or of the staple.
func TestSnippetReplacesNothingElse(t *testing.T) {
	w := newWorld(t)
	snippets := t.TempDir()
	template := snippets + "/{name}.conf"
	w.group = func(g *agent.Group) {
		g.Profile = g.Profile.WithSnippet()
		g.Snippet, g.SnippetText = template, profile.Snippet
	}
	issued := w.issue("site.pem", lab.IssueOptions{})
	const site = "server {\n\tlisten 443 ssl;\n}\n"
	if err := os.WriteFile(snippets+"/site.conf", []byte(site), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"good", "revoked"} {
		got := w.once("nginx")["site.pem"]
		if got.State != agent.PathConflict || got.OK || !strings.Contains(got.Error, "holds something else") {
			t.Errorf("%s: got %q (%s), want path-conflict", what, got.State, got.Error)
		}
		if text, err := os.ReadFile(snippets + "/site.conf"); string(text) != site {
			t.Errorf("%s: the site's configuration is now %q, %v", what, text, err)
		}
		if err := w.responder.Revoke(issued.Certificate.SerialNumber, "", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	template = "{path}.ocsp"
	if got := w.once("nginx")["site.pem"]; got.State != agent.PathConflict {
		t.Errorf("a snippet in the staple's place: got %q (%s), want path-conflict", got.State, got.Error)
	}
}

func TestStapleNeverReplacesACertificate(t *testing.T) {
	w := newWorld(t)
	w.group = func(g *agent.Group) { g.Template = "{dir}/other.pem" }
	w.issue("a.pem", lab.IssueOptions{})
	other := w.issue("other.pem", lab.IssueOptions{})
	w.once("generic")
	b, err := os.ReadFile(w.path("other.pem"))
	if err != nil || !bytes.Equal(b, other.ChainPEM()) {
		t.Errorf("other.pem is no longer the certificate: %v", err)
	}
	if err := os.Link(w.path("a.pem"), w.path("linked.der")); err != nil {
		t.Fatal(err)
	}
	w.group = func(g *agent.Group) { g.Template = "{dir}/linked.der"; g.Sources[0].Path = w.path("a.pem") }
	if got := w.once("generic")["a.pem"]; got.State != agent.PathConflict {
		t.Errorf("a staple path that is the certificate by another name: %q, want path-conflict", got.State)
	}
}

func TestWhatOnlyLooksLikeACertificateIsPassedOver(t *testing.T) {
	w := newWorld(t)
	issued := w.issue("site.pem", lab.IssueOptions{})
	key, err := issued.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	w.write("privkey.pem", key)
	w.write("empty.pem", nil)
	w.write("half.pem", issued.ChainPEM()[:300])
	w.write("ca.pem", w.pki.Root.CertPEM())
	got := w.once("generic")
	if len(got) != 1 || got["site.pem"].State != agent.Fresh {
		t.Errorf("got %v, want site.pem alone", got)
	}
	w.group = func(g *agent.Group) { g.Sources[0].Path = w.path("half.pem") }
	if got := w.once("generic")["half.pem"]; got.State != agent.Unreadable {
		t.Errorf("half a file that was named: %q, want unreadable", got.State)
	}
}

func TestOnePathThatIsMissingHidesNoOtherThatGoes(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.group = func(g *agent.Group) {
		g.Sources = append(g.Sources, watcher.Source{Path: "/nowhere/at/all.pem"})
	}
	a := w.run("generic")
	count := func(n int) func() bool { return func() bool { return len(a.Certificates(t.Context())) == n } }
	eventually(t, "the certificate is found", count(1))
	if err := os.Remove(w.path("site.pem")); err != nil {
		t.Fatal(err)
	}
	if err := a.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the certificate is forgotten", count(0))
}
