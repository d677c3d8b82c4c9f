package agent_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// BenchmarkRenewed renews ten thousand certificates beneath a running agent, as
// fast as they can be written, and fails unless the server is told once, of all
// of them. The hook has the delay that hooks have by default.
func BenchmarkRenewed(b *testing.B) {
	const n = 10000
	f := newFleet(b, n, 0)
	f.pass(b, n)
	log := slog.New(slog.DiscardHandler)
	told := new(recorder)
	q, err := hooks.NewQueue(hooks.QueueOptions{Name: "reload", Action: told, Dir: b.TempDir(), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	p, err := profile.ByName("generic")
	if err != nil {
		b.Fatal(err)
	}
	ready := make(chan struct{})
	a, err := agent.New(agent.Options{
		Groups: []agent.Group{{Sources: []watcher.Source{{Path: f.dir}}, Profile: p, UID: -1, GID: -1, Hooks: []*hooks.Queue{q}}},
		Client: f.client, StateDir: f.state, Log: log, Ready: func() { close(ready) },
	})
	if err != nil {
		b.Fatal(err)
	}
	defer start(b, a)()
	<-ready
	var ours, writing time.Duration
	var reloads []time.Time
	told.after(func() { reloads = append(reloads, time.Now()) })
	for b.Loop() {
		before := told.count()
		begun := time.Now()
		f.issue(b, n)
		writing += time.Since(begun)
		for f.placedSince(b, begun) < n || told.count() == before {
			if time.Since(begun) > 2*time.Minute {
				b.Fatalf("after two minutes %d reloads, %d staples of %d", told.count()-before, f.placedSince(b, begun), n)
			}
			time.Sleep(100 * time.Millisecond)
		}
		ours += time.Since(begun)
		time.Sleep(3 * time.Second) // for a second reload, if there is one
		if got := told.count() - before; got != 1 {
			for _, at := range reloads[before:] {
				b.Logf("a reload after %v", at.Sub(begun).Round(100*time.Millisecond))
			}
			b.Fatalf("%d reloads for %d renewed certificates, want one", got, n)
		}
		f.checkAll(b, n)
		placed := make(map[string]bool)
		for _, c := range told.batches[before] {
			if c.Event == hooks.Placed {
				placed[c.Cert] = true
			}
		}
		if len(placed) != n {
			b.Fatalf("told of %d staples, want %d", len(placed), n)
		}
	}
	b.ReportMetric(writing.Seconds()/float64(b.N), "s/writing")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/reload")
}

// placedSince counts the staples that are newer than a time.
func (f *fleet) placedSince(b *testing.B, since time.Time) (n int) {
	b.Helper()
	staples, err := filepath.Glob(filepath.Join(f.dir, "*.ocsp"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range staples {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(since) {
			n++
		}
	}
	return n
}

// checkAll fails unless every certificate has its own staple beside it.
func (f *fleet) checkAll(b *testing.B, n int) {
	b.Helper()
	loader, found := chain.NewLoader(chain.LoaderOptions{}), 0
	f.bare().each(b, 1, func(path string) error {
		c, err := loader.Load(path)
		if err != nil {
			return err
		}
		der, err := os.ReadFile(path + ".ocsp")
		if err != nil {
			return err
		}
		found++
		_, err = staple.Verify(der, c, time.Now(), staple.Options{})
		return err
	})
	if found != n {
		b.Fatalf("%d of %d certificates have a staple", found, n)
	}
}
