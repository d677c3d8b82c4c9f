package agent

import (
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
