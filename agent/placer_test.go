package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/restaple/restaple/agent/profile"
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
