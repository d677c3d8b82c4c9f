package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// kept is what the state directory says of the one leaf of the bubble.
func (b *bubble) kept() []*Failure {
	b.t.Helper()
	m := &memory{path: filepath.Join(b.state, "failures.json")}
	all, err := m.read()
	if err != nil {
		b.t.Fatal(err)
	}
	var out []*Failure
	for _, f := range all {
		out = append(out, f)
	}
	return out
}

func TestFailuresAreKeptWhileTheAgentRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", refuse(404, 0))
		b.run(nil)
		b.pass(maxSleep)
		got := b.kept()
		if len(got) != 1 || got[0].Reason != "http" || got[0].Attempts != 1 || got[0].Responder != a0 {
			t.Fatalf("kept: %v, want the failure", got)
		}
		b.pass(10 * time.Minute)
		if got := b.kept(); len(got) != 1 || got[0].Attempts < 5 {
			t.Errorf("kept: %+v, want the later ones, too", got[0])
		}
		b.behave("a.example", b.good(time.Hour, 0))
		b.pass(20 * time.Minute)
		if got := b.kept(); len(got) != 0 {
			t.Errorf("kept when all is well: %+v", got[0])
		}
		if err := os.Remove(filepath.Join(b.dir, "site.pem")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestToldRevocationIsKeptAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SetFault("revoked"); err != nil {
			t.Fatal(err)
		}
		b.issue("site.pem", a0)
		b.behave("a.example", answers(r))
		b.run(nil)
		b.pass(maxSleep)
		if got := b.kept(); len(got) != 1 || !got[0].Told {
			t.Errorf("kept: %v, want that hooks were told", got)
		}
	})
}

func TestFailuresOfOthersStay(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		other, old := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
		m := &memory{path: filepath.Join(b.state, "failures.json")}
		if err := m.write(map[string]*Failure{
			other: {Reason: "http", At: time.Now().Add(-time.Hour)},
			old:   {Reason: "timeout", At: time.Now().Add(-2 * keepGone)},
		}); err != nil {
			t.Fatal(err)
		}
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(time.Hour, 0))
		stop := b.run(nil)
		b.pass(time.Minute)
		stop()
		if got := b.kept(); len(got) != 1 || got[0].Reason != "http" {
			t.Errorf("kept: %v, want the failure of the leaf that another process looks after", got)
		}
	})
}

func TestLookingChangesNoFailures(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"looking":   func(o *Options) { o.LookOnly = true },
		"a dry run": func(o *Options) { o.DryRun = true },
	} {
		inBubble(t, func(t *testing.T, b *bubble) {
			b.issue("site.pem", a0)
			b.behave("a.example", refuse(404, 0))
			a := b.make(change)
			if _, err := a.RunOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(b.state, "failures.json")); !os.IsNotExist(err) {
				t.Errorf("%s has written failures: %v", name, err)
			}
		})
	}
}

func TestLastSaveComesAfterTheOneBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		m := &memory{path: filepath.Join(b.state, "failures.json"), dirty: true}
		hold := make(chan struct{})
		leaf := strings.Repeat("ab", 32)
		m.saveSoon(func() map[string]*Failure { return map[string]*Failure{leaf: {Reason: "old", At: time.Now()}} })
		m.work.Go(func() { // as slow as a disk can be
			<-hold
			if err := m.write(map[string]*Failure{leaf: {Reason: "old", At: time.Now()}}); err != nil {
				t.Error(err)
			}
		})
		time.AfterFunc(time.Minute, func() { close(hold) })
		if err := m.save(map[string]*Failure{leaf: {Reason: "new", At: time.Now()}}); err != nil {
			t.Fatal(err)
		}
		if got := b.kept(); len(got) != 1 || got[0].Reason != "new" {
			t.Errorf("kept: %v, want the newest", got)
		}
	})
}
