package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
)

// twins is an agent that has found two files with one leaf.
func twins(t *testing.T) (a *Agent, one, other *target) {
	t.Helper()
	pki, err := lab.NewPKI(lab.PKIOptions{Responders: []string{"http://ocsp.invalid/"}})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"site.test"}})
	if err != nil {
		t.Fatal(err)
	}
	generic, err := profile.ByName("generic")
	if err != nil {
		t.Fatal(err)
	}
	client := responder.New(responder.Options{})
	t.Cleanup(client.Close)
	dir := t.TempDir()
	a, err = New(Options{
		Groups: []Group{{Sources: []watcher.Source{{Path: dir}}, Profile: generic, UID: -1, GID: -1}},
		Client: client, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	found := func(name string) *target {
		k := targetKey{filepath.Join(dir, name), 0}
		if err := os.WriteFile(k.path, issued.ChainPEM(), 0o644); err != nil {
			t.Fatal(err)
		}
		look := a.want(nil, k, watcher.Stamp{})[0]
		x := a.targets[k]
		x.looking = false
		a.take(x, look.do(wall()), wall())
		return x
	}
	one, other = found("site.pem"), found("site.pem.new")
	if one.sub == nil || one.sub != other.sub {
		t.Fatal("two files with one leaf are not looked after together")
	}
	return a, one, other
}

func TestAFileThatGoesKeepsNoOtherWaiting(t *testing.T) {
	a, one, other := twins(t)
	other.placing = true // it is to have the first staple
	a.evaluate(t.Context(), one.sub, wall())
	if one.sub.asking {
		t.Fatal("asked while a staple is on its way to a file")
	}
	a.forgetPath(other.key.path)
	go func() { <-a.answers }()
	a.step(t.Context(), wall())
	if !one.sub.asking {
		t.Errorf("nobody is asked before %v, and there is no staple", one.sub.At)
	}
}

func TestWhatIsSeenWhileAFileChangesIsLookedAtAgain(t *testing.T) {
	a, one, _ := twins(t)
	one.placing, a.lookings = true, 1
	a.onObserved(t.Context(), []observation{{key: one.key}})
	if !one.again {
		t.Error("what was seen is forgotten")
	}
}

func TestARevocationIsToldOnlyOnceHooksWillHearOfIt(t *testing.T) {
	a, one, _ := twins(t)
	now := wall()
	e := &staple.Error{Reason: staple.IsRevoked, Statement: &staple.Staple{Status: staple.Revoked, ThisUpdate: now, Expires: now.Add(time.Hour)}}
	a.onStatement(one.sub, answer{err: e}, e, now)
	if one.sub.failure.Told {
		t.Error("a process that ends now would keep it from the next one, and hooks would never hear of it")
	}
	batch := a.placer.take()
	if len(batch) != 2 {
		t.Fatalf("%d announcements, want one a file", len(batch))
	}
	a.onPlaced(t.Context(), a.placer.place(batch))
	if !one.sub.failure.Told || !a.memory.dirty {
		t.Error("hooks will hear of it, and the next process does not know")
	}
}

func TestPlaceOfAStapleIsTakenOverWhenItsCertificateGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("a.pem", a0)
		b.issue("b.pem", a0)
		b.behave("a.example", b.good(time.Hour, 0))
		b.run(func(o *Options) { o.Groups[0].Template = "{dir}/one.ocsp" })
		b.pass(time.Second)
		if got := b.states(); got[Fresh] != 1 || got[PathConflict] != 1 {
			t.Fatalf("states: %v, want one of two fresh and the other in conflict", got)
		}
		b.agent.onLoop(t.Context(), func() {
			gone := b.agent.owners[filepath.Join(b.dir, "one.ocsp")].key.path
			if err := os.Remove(gone); err != nil {
				t.Error(err)
			}
			b.agent.forgetPath(gone) // as the event of its removal does
		})
		b.pass(healPause)
		if got := b.states(); got[Fresh] != 1 || len(got) != 1 {
			t.Errorf("states: %v, want the other one fresh", got)
		}
	})
}

func TestFirstLooksAreHandedOverSoon(t *testing.T) {
	for n, want := range map[int][]int{
		1: {1}, 4: {4}, 5: {4, 5}, 60: {4, 12, 28, 60}, 200: {4, 12, 28, 60, 124, 188, 200},
	} {
		if got := chunks(n); !slices.Equal(got, want) {
			t.Errorf("%d looks: parts end at %v, want %v", n, got, want)
		}
	}
}

func TestAFileIsWrittenOnceNothingIsInItsWay(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(time.Hour, 0))
		inTheWay := filepath.Join(b.dir, "site.pem.ocsp")
		if err := os.Mkdir(inTheWay, 0o755); err != nil {
			t.Fatal(err)
		}
		b.run(nil)
		b.pass(20 * time.Minute)
		if got := b.states(); got[NotWritable] != 1 {
			t.Fatalf("states: %v, want not-writable", got)
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		if err := b.agent.Rescan(t.Context()); err != nil { // as after the event of its removal
			t.Fatal(err)
		}
		b.pass(2 * healPause)
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("states: %v, want fresh soon after the way was free", got)
		}
	})
}

func TestASnippetsPlaceIsTakenOnceItIsFree(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		nginx, err := profile.ByName("nginx")
		if err != nil {
			t.Fatal(err)
		}
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(time.Hour, 0))
		inTheWay := filepath.Join(b.dir, "site.conf")
		if err := os.WriteFile(inTheWay, []byte("server { listen 443 ssl; }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		b.run(func(o *Options) {
			o.Groups[0].Profile, o.Groups[0].Snippet, o.Groups[0].SnippetText = nginx.WithSnippet(), "{dir}/{name}.conf", profile.Snippet
		})
		b.pass(time.Second)
		if got := b.states(); got[PathConflict] != 1 {
			t.Fatalf("states: %v, want a conflict with the site's configuration", got)
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		if err := b.agent.Rescan(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.pass(time.Second)
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("states: %v, want fresh once the configuration is elsewhere", got)
		}
	})
}
