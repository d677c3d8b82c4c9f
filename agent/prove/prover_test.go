package prove

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher/chain"
)

// reloading serves whatever staple it was told last.
func reloading(t *testing.T, w *world) (at Address, load func([]byte)) {
	t.Helper()
	var current atomic.Pointer[tls.Config]
	load = func(staple []byte) {
		current.Store(&tls.Config{Certificates: []tls.Certificate{w.issued.TLS(staple)}})
	}
	load(nil)
	return serve(t, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return current.Load(), nil }}), load
}

// expect is what a file should make a server serve with the leaf of w.
func expect(w *world, path string) func(*chain.Leaf) *Expected {
	ours := w.chain()
	return func(leaf *chain.Leaf) *Expected {
		if leaf.Fingerprint != ours.Leaf.Fingerprint {
			return nil
		}
		return &Expected{Issuer: ours.Issuer, Read: func() ([]byte, error) {
			b, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			return b, err
		}}
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestProverWaitsForTheReload(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	path := filepath.Join(t.TempDir(), "s.ocsp")
	before, after := w.response(time.Hour, nil), w.response(time.Minute, nil)
	writeFile(t, path, after)
	at, load := reloading(t, w)
	load(before)
	p := &Prover{Within: -1}
	if got := p.Prove(t.Context(), []Address{at}, expect(w, path)); got[0].Result != OlderServed || got[0].Same {
		t.Errorf("before the reload: %+v", got[0])
	}
	time.AfterFunc(300*time.Millisecond, func() { load(after) })
	p.Within = 20 * time.Second
	got := p.Prove(t.Context(), []Address{at}, expect(w, path))
	if got[0].Result != Proven || !got[0].Same || got[0].Address != at {
		t.Errorf("after the reload: %+v", got[0])
	}
}

func TestProverFollowsTheDisk(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	path := filepath.Join(t.TempDir(), "s.ocsp")
	before, after := w.response(time.Hour, nil), w.response(time.Minute, nil)
	at, load := reloading(t, w)
	p := &Prover{Within: -1}
	for _, step := range []struct {
		name         string
		served, disk []byte
		want         Result
	}{
		{"nothing yet", nil, nil, Nothing},
		{"placed, not reloaded", nil, before, NoneServed},
		{"placed", before, before, Proven},
		{"a new one", before, after, OlderServed},
		{"withdrawn, not reloaded", before, nil, NotOnDisk},
		{"withdrawn", nil, nil, Nothing},
	} {
		load(step.served)
		if os.Remove(path); step.disk != nil {
			writeFile(t, path, step.disk)
		}
		same := step.want == Nothing || step.want == Proven
		if got := p.Prove(t.Context(), []Address{at}, expect(w, path)); got[0].Result != step.want || got[0].Same != same {
			t.Errorf("%s: %+v, want %s", step.name, got[0], step.want)
		}
	}
}

func TestProverLooksAtEachAddress(t *testing.T) {
	w, stranger := newWorld(t, lab.IssueOptions{}), newWorld(t, lab.IssueOptions{})
	path := filepath.Join(t.TempDir(), "s.ocsp")
	good := w.response(time.Minute, nil)
	writeFile(t, path, good)
	alone := w.issued.TLS(good)
	alone.Certificate = alone.Certificate[:1] // the issuer is known from the disk
	unreadable := func(*chain.Leaf) *Expected {
		return &Expected{Read: func() ([]byte, error) { return nil, fs.ErrPermission }}
	}
	at := []Address{
		serve(t, &tls.Config{Certificates: []tls.Certificate{alone}}),
		serve(t, &tls.Config{Certificates: []tls.Certificate{stranger.issued.TLS(nil)}}),
		{HostPort: "127.0.0.1:1"},
		mailServer(t, nil, map[string]string{"": "554 no\r\n"}),
	}
	p := &Prover{Within: -1}
	for i, got := range p.Prove(t.Context(), at, expect(w, path)) {
		if want := []Result{Proven, OtherLeaf, Unreachable, NoHandshake}[i]; got.Result != want || got.Address != at[i] || got.Detail == "" {
			t.Errorf("got %+v, want %s at %s", got, want, at[i])
		}
	}
	if got := p.Prove(t.Context(), at[:1], unreadable); got[0].Result != Unreadable {
		t.Errorf("got %+v, want %s", got[0], Unreadable)
	}
}

func TestProverFindsALeafForAnotherName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.ocsp")
	named := lab.IssueOptions{Names: []string{"site.test", "*.sites.test"}}
	for _, row := range []struct {
		name, asked string
		issue       lab.IssueOptions
		foreign     bool // the leaf is not on disk
		want        bool
	}{
		{name: "its name", issue: named, asked: "SITE.test"},
		{name: "below its wildcard", issue: named, asked: "a.sites.test"},
		{name: "the host's own", issue: named, asked: ""},
		{name: "another name", issue: named, asked: "typo.test", want: true},
		{name: "too far below its wildcard", issue: named, asked: "a.b.sites.test", want: true},
		{name: "another name, not on disk", issue: named, asked: "typo.test", foreign: true, want: true},
		{name: "a common name", issue: lab.IssueOptions{Names: []string{}, CommonName: "old.test"}, asked: "old.test"},
		{name: "another common name", issue: lab.IssueOptions{Names: []string{}, CommonName: "old.test"}, asked: "new.test", want: true},
	} {
		w := newWorld(t, row.issue)
		known := w
		if row.foreign {
			known = newWorld(t, row.issue)
		}
		at := serve(t, &tls.Config{Certificates: []tls.Certificate{w.issued.TLS(nil)}})
		at.ServerName = row.asked
		got := (&Prover{Within: -1}).Prove(t.Context(), []Address{at}, expect(known, path))
		if got[0].WrongName != row.want || (got[0].Result == OtherLeaf) != row.foreign {
			t.Errorf("%s: %+v, want wrong name: %v", row.name, got[0], row.want)
		}
	}
}

func TestProverStopsWithItsContext(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	path := filepath.Join(t.TempDir(), "s.ocsp")
	writeFile(t, path, w.response(time.Minute, nil))
	at, _ := reloading(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	p := &Prover{Within: time.Hour}
	p.Prove(ctx, []Address{at}, expect(w, path))
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
