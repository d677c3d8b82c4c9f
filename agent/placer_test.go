package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/writer"
)

func TestFileWithoutAStapleGoesBeforeABurstOfOthers(t *testing.T) {
	p := newPlacer(make(chan []placed), slog.New(slog.DiscardHandler))
	const burst = 5000
	for i := range burst {
		p.add(placement{key: targetKey{path: fmt.Sprint(i)}, path: "renewed.ocsp"})
	}
	p.add(placement{key: targetKey{path: "new"}, path: "new.ocsp", urgent: true})
	p.add(placement{key: targetKey{path: "revoked"}})
	seen := 0
	for batch := p.take(); len(batch) > 0; batch = p.take() {
		if len(batch) > maxPlaced {
			t.Fatalf("%d placements in a batch, want at most %d", len(batch), maxPlaced)
		}
		if seen == 0 && (batch[0].key.path != "new" || batch[1].key.path != "revoked") {
			t.Errorf("first come %q and %q", batch[0].key.path, batch[1].key.path)
		}
		for i, x := range batch {
			if at := seen + i - 2; at >= 0 && x.key.path != fmt.Sprint(at) {
				t.Fatalf("placement %d is %q: order is lost", at, x.key.path)
			}
		}
		seen += len(batch)
	}
	if seen != burst+2 {
		t.Errorf("%d placements came out, want %d", seen, burst+2)
	}
}

func TestBurstIsPlacedInBatchesToItsEnd(t *testing.T) {
	dir, out := t.TempDir(), make(chan []placed)
	cert := filepath.Join(dir, "site.pem")
	if err := os.WriteFile(cert, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	now, err := watcher.StampOf(cert)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlacer(out, slog.New(slog.DiscardHandler))
	const burst = maxPlaced + 1
	for i := range burst {
		p.add(placement{key: targetKey{path: cert}, path: fmt.Sprintf("%s.%d.ocsp", cert, i), stamp: now,
			way: profile.Empty, write: writer.Options{UID: -1, GID: -1}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	for left := burst; left > 0; {
		for _, x := range <-out {
			if x.err != nil || !x.changed {
				t.Errorf("%s: changed %v, %v", x.path, x.changed, x.err)
			}
			left--
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// told counts deliveries, and the changes they told of.
type told struct{ deliveries, changes int }

func (x *told) Deliver(_ context.Context, changes []hooks.Change) error {
	x.deliveries++
	x.changes += len(changes)
	return nil
}

func TestBurstOnASlowDiskIsOneDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, out, log := t.TempDir(), make(chan []placed), slog.New(slog.DiscardHandler)
		cert := filepath.Join(dir, "site.pem")
		if err := os.WriteFile(cert, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		now, err := watcher.StampOf(cert)
		if err != nil {
			t.Fatal(err)
		}
		var x told
		q, err := hooks.NewQueue(hooks.QueueOptions{Name: "reload", Action: &x, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		p := newPlacer(out, log)
		const burst = 3*maxPlaced + 1
		for i := range burst {
			path := fmt.Sprintf("%s.%d.ocsp", cert, i)
			p.add(placement{key: targetKey{path: cert}, path: path, stamp: now, way: profile.Empty, write: writer.Options{UID: -1, GID: -1},
				queues: []*hooks.Queue{q}, change: hooks.Change{Event: hooks.Placed, Cert: cert, Staple: path}})
		}
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		ended.Go(func() { _ = p.run(ctx) }) // both end with ctx, and without an error
		ended.Go(func() { _ = q.Run(ctx) })
		for left := burst; left > 0; left -= len(<-out) {
			time.Sleep(5 * time.Second) // that a batch takes
		}
		time.Sleep(time.Minute)
		cancel()
		ended.Wait()
		if x.deliveries != 1 || x.changes != burst {
			t.Errorf("%d deliveries of %d changes, want one of %d", x.deliveries, x.changes, burst)
		}
	})
}

// Two processes may look after the same files: a daemon and the timer that
// backs it up. In a bubble nothing tells the one of what the other does.
func TestNewerStapleOfAnotherProcessStays(t *testing.T) {
	place := func(b *bubble, der []byte) {
		b.t.Helper()
		if _, err := writer.Replace(filepath.Join(b.dir, "site.pem.ocsp"), der, writer.Options{UID: -1, GID: -1}); err != nil {
			b.t.Fatal(err)
		}
	}
	check := func(b *bubble, want []byte) {
		b.t.Helper()
		if got, err := os.ReadFile(filepath.Join(b.dir, "site.pem.ocsp")); err != nil || !bytes.Equal(got, want) {
			b.t.Errorf("the other process's staple is gone: %d octets instead of %d, %v", len(got), len(want), err)
		}
		if got := b.states(); got[Fresh] != 1 {
			b.t.Errorf("states: %v", got)
		}
	}
	t.Run("that came while an older one was on its way", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			b.issue("site.pem", a0)
			good := b.good(time.Hour, 0)
			var newer *responder.Answer
			b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
				older, err := good(ctx, q)
				if err == nil && newer == nil {
					time.Sleep(30 * time.Minute) // in which there is a newer one
					if newer, err = good(ctx, q); err == nil {
						place(b, newer.DER)
					}
				}
				return older, err
			})
			b.run(nil)
			b.pass(31 * time.Minute)
			check(b, newer.DER)
		})
	})
	t.Run("that came just before the old one was to be withdrawn", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bubble) {
			b.issue("site.pem", a0)
			good := b.good(time.Hour, 0)
			var query responder.Query
			b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
				query = q
				return good(ctx, q)
			})
			nginx, err := profile.ByName("nginx")
			if err != nil {
				t.Fatal(err)
			}
			b.run(func(o *Options) { o.Groups[0].Profile = nginx })
			b.pass(time.Minute)
			b.behave("a.example", hang)
			b.pass(54*time.Minute - time.Second) // it ends after an hour, and goes five minutes before
			newer, err := good(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			place(b, newer.DER)
			b.pass(2 * time.Second)
			check(b, newer.DER)
		})
	})
}

func TestFoldersOfStaplesCanBeEntered(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "live", "site.test", "fullchain.pem.ocsp")
	was := syscall.Umask(0o077) // as in restaple.service
	makeFolders([]writer.Job{{Path: path, Tag: &placed{placement: placement{key: targetKey{path: "/elsewhere/fullchain.pem"}}}}})
	syscall.Umask(was)
	for at := filepath.Dir(path); at != dir; at = filepath.Dir(at) {
		made, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		if made.Mode().Perm() != 0o755 {
			t.Errorf("%s: got %v, want mode 0755", at, made.Mode())
		}
	}
}
