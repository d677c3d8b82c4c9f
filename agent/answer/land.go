package answer

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/writer"
)

// maxSpares is how many responses may be kept in memory because they cannot be
// on disk.
const maxSpares = 4096

// land ends a flight: what it brought is kept, and those who wait are told.
func (k *keeper) land(f *flight, r result) {
	e := f.entry
	stored, full := r.known || r.same, k.full(e)
	if r.page != nil && !stored && !full && r.page.Status != staple.Unknown {
		r.page, stored = k.store(e, r.page)
	}
	now := wall()
	k.mu.Lock()
	defer k.mu.Unlock()
	e.flight = nil
	k.flights--
	e.fetched = now
	switch {
	case r.err != nil:
		if e.damaged && e.this.IsZero() {
			k.discard(e.path)
		}
		e.attempts++
		e.pause, e.status = now.Add(negativeTime), statusOf(r.err)
		k.say(e, r.err)
	case r.same:
		e.attempts, e.held, e.pause, e.status = 0, r.held, time.Time{}, 0
	case r.page.Status == staple.Unknown:
		e.attempts++
		e.pause, e.status = now.Add(negativeTime), tryLater
		k.setSpare(e, r.page)
	case full && !stored: // it is given out for as long as nobody is asked again
		e.pause, e.status = now.Add(negativeTime), tryLater
		k.setSpare(e, r.page)
	default:
		e.attempts, e.held, e.pause, e.status = 0, r.held, time.Time{}, 0
		k.setSpare(e, nil)
		if !stored {
			k.setSpare(e, r.page)
		}
		k.note(e, r.page, now)
	}
	e.damaged = false
	f.page, f.status = r.page, cmp.Or(e.status, tryLater)
	k.schedule(e)
	close(f.done)
}

// full reports whether there is no room to keep what comes of e.
func (k *keeper) full(e *entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.this.IsZero() && k.kept >= k.keepLimit
}

// say logs a failure. What clients ask about and nobody knows is their affair.
func (k *keeper) say(e *entry, err error) {
	level := slog.LevelDebug
	if !e.this.IsZero() && e.attempts == 1 {
		level = slog.LevelWarn
	}
	k.log.Log(context.Background(), level, "no newer answer", "serial", e.chain.Leaf.SerialHex(), "attempt", e.attempts, "err", err)
}

// store writes what a responder said, unless what is kept is as new: caches
// give out old answers. It returns what counts from now on, and whether that is
// on disk.
func (k *keeper) store(e *entry, p *page) (*page, bool) {
	if old := k.look(e, wall()); old != nil && !p.NewerThan(old.Staple) {
		return old, true
	}
	if e.path == "" {
		return p, false
	}
	k.files.RLock()
	defer k.files.RUnlock()
	err := os.MkdirAll(filepath.Dir(e.path), 0o755)
	if err == nil {
		_, err = writer.Replace(e.path, p.der, writer.Options{Mode: 0o644, UID: -1, GID: -1})
	}
	if err != nil {
		level := slog.LevelError
		if k.unwritable.Swap(true) {
			level = slog.LevelDebug // it has been said
		}
		k.log.Log(context.Background(), level, "answer not kept", "serial", e.chain.Leaf.SerialHex(), "err", err)
		return p, false
	}
	k.unwritable.Store(false)
	return p, true
}

// setSpare keeps a response in memory only; nil lets it go. The caller has the
// lock.
func (k *keeper) setSpare(e *entry, p *page) {
	if e.spare != nil {
		k.spares--
	}
	e.spare = nil
	if p != nil && k.spares < maxSpares && len(p.der) <= spareSize {
		e.spare = p
		k.spares++
	}
}
