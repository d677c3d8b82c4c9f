package answer

import (
	"context"
	"path/filepath"
	"time"

	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/writer"
)

const (
	day = 24 * time.Hour

	// forgetTime is for how long it is remembered that nothing is known.
	forgetTime = 5 * time.Minute

	// longestIdle is the longest that a response is kept fresh of which
	// nobody wants to know; shortestIdle is the least.
	shortestIdle, longestIdle = day, 10 * day

	// crowded is how soon another look is taken at what is due if there are
	// too many requests on their way.
	crowded = 10 * time.Second
)

// run keeps what is kept fresh until ctx is done.
func (k *keeper) run(ctx context.Context) error {
	defer close(k.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		case <-timer.C:
		}
		gone, wait := k.step(wall())
		for _, path := range gone {
			k.remove(path)
		}
		timer.Reset(wait)
	}
}

// step tends to all entries whose time has come. It returns the files that
// are to go, and how long nothing else will be due.
func (k *keeper) step(now time.Time) (gone []string, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Timers stand still while a machine is suspended; staples go on ageing.
	const longest = 20 * time.Second
	e, at, ok := k.due.First()
	for ; ok && !at.After(now); e, at, ok = k.due.First() {
		k.tend(e, now)
	}
	if wait = longest; ok {
		wait = min(longest, at.Sub(now))
	}
	gone, k.trash = k.trash, nil
	return gone, wait
}

// tend does what is due for e: it is asked about anew, or forgotten when it
// has ended or nobody wants to know of it. The caller has the lock.
func (k *keeper) tend(e *entry, now time.Time) {
	switch {
	case e.flight != nil:
		e.At = time.Time{} // its end sets the next
	case e.this.IsZero() && now.Sub(e.asked) < forgetTime:
		e.At = e.asked.Add(forgetTime)
	case e.this.IsZero(), !now.Before(e.ends), now.Sub(e.asked) > e.patience():
		k.drop(e)
		return
	case k.flights >= maxFlights:
		e.At = now.Add(crowded)
	default:
		k.launch(e)
		e.At = time.Time{}
	}
	k.due.Set(e)
}

// patience is how long a response is kept fresh for nobody: for a whole life
// of it, since servers and agents ask once in half of it.
func (e *entry) patience() time.Duration {
	return max(shortestIdle, min(longestIdle, e.ends.Sub(e.this)))
}

// schedule puts e into the queue for what comes next. The caller has the lock.
func (k *keeper) schedule(e *entry) {
	e.At = e.asked.Add(forgetTime)
	if !e.this.IsZero() {
		e.At = e.refreshAt(k.gate)
	}
	k.due.Set(e)
	k.wakeUp()
}

// discard has a file removed soon. The caller has the lock.
func (k *keeper) discard(path string) {
	k.trash = append(k.trash, path)
	k.wakeUp()
}

// wakeUp has run take another step. It never blocks.
func (k *keeper) wakeUp() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// refreshAt is when a responder is asked again: daily up to the middle of the
// response's life and hourly after it, or more often if that life is short. It
// is a function of the response, so that all who keep it ask at the same times
// and get the same. Up to the middle the gate, which may be nil, says when it may
// be, as it does for certificates.
func (e *entry) refreshAt(gate *schedule.Cron) time.Time {
	seed := schedule.Key(e.seed, "")
	if e.attempts > 0 {
		return e.fetched.Add(schedule.RetryIn(e.attempts, e.this, e.ends, e.fetched, seed))
	}
	middle := schedule.RefreshAt(e.this, e.ends, seed)
	if !e.hasNext {
		middle = e.this.Add(schedule.NoNextUpdateRefresh)
	}
	if e.fetched.Before(middle) {
		at := middle
		if daily := after(e.this, e.fetched, day); daily.Before(middle) {
			at = daily
		}
		if gate == nil {
			return at
		}
		return gate.Turn(at, schedule.UrgentAt(e.this, e.ends), seed)
	}
	return after(middle, e.fetched, min(time.Hour, schedule.NotNewerIn(e.this, e.ends, e.fetched)))
}

// after is the first of the times from start on, with a pause between them,
// that is later than at.
func after(start, at time.Time, pause time.Duration) time.Time {
	return start.Add((max(0, at.Sub(start))/pause + 1) * pause)
}

// drop forgets e, and what is kept of it. The caller has the lock.
func (k *keeper) drop(e *entry) {
	e.At = time.Time{}
	k.due.Set(e)
	k.setSpare(e, nil)
	delete(k.entries, e.key)
	if !e.this.IsZero() {
		k.kept--
		if e.path != "" {
			k.trash = append(k.trash, e.path)
		}
	}
}

// makeRoom reports whether there is room for one more entry. If there was
// none, something goes of which nothing is known and that was not asked about
// lately; what that is, is found by looking at a few. A response never goes for
// it: whoever asks about made-up serials must not make restaple forget what
// others need. The caller has the lock.
func (k *keeper) makeRoom(now time.Time) bool {
	if len(k.entries) < k.limit {
		return true
	}
	const few = 64 // a quarter of all, at least, are without a response
	var oldest *entry
	looked := 0
	for _, e := range k.entries {
		if looked++; looked > few {
			break
		}
		if e.flight == nil && e.this.IsZero() && (oldest == nil || e.asked.Before(oldest.asked)) {
			oldest = e
		}
	}
	if oldest == nil || now.Sub(oldest.asked) < time.Minute {
		return false
	}
	k.drop(oldest)
	return true
}

// remove removes a file that was to go, unless there is an answer in it again.
func (k *keeper) remove(path string) {
	k.files.Lock()
	defer k.files.Unlock()
	key, _ := keyOfFile(path)
	k.mu.Lock()
	e := k.entries[key]
	held := e != nil && (e.flight != nil || !e.this.IsZero())
	k.mu.Unlock()
	if held {
		return
	}
	if _, err := writer.Remove(path); err != nil {
		k.log.Warn("old answer not removed", "err", err)
	}
}

// load takes in what an earlier process has kept: all that verifies and has
// not ended. The rest goes. Find says who is asked about a key, or nil: then
// the file may be wanted again by another configuration, but not for ever.
func (k *keeper) load(ctx context.Context, find func(keptKey) *wanted) error {
	files, err := keptFiles(k.dir)
	swept := ""
	for _, path := range files {
		if ctx.Err() != nil {
			return nil
		}
		if dir := filepath.Dir(path); dir != swept {
			swept = dir
			_ = writer.Sweep(dir) // leftovers of a crash do no harm
		}
		key, _ := keyOfFile(path)
		now := wall()
		if w := find(key); w != nil {
			k.take(path, *w, now)
		} else if stamp, err := watcher.StampOf(path); err == nil && now.Sub(stamp.ModTime()) > longestIdle {
			k.mu.Lock()
			k.discard(path)
			k.mu.Unlock()
		}
	}
	return err
}

// take takes in one file.
func (k *keeper) take(path string, w wanted, now time.Time) {
	k.mu.Lock()
	if e := k.entries[w.key]; e != nil { // it has been asked for already
		k.mu.Unlock()
		k.takeBeside(e, now)
		return
	}
	if k.kept >= k.keepLimit {
		k.discard(path)
		k.mu.Unlock()
		return
	}
	e := k.add(w)
	e.asked = now
	if stamp, err := watcher.StampOf(path); err == nil {
		e.asked = stamp.ModTime()
	}
	k.mu.Unlock()
	if k.look(e, now) == nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		if e.flight == nil && e.this.IsZero() {
			k.drop(e)
			k.discard(path)
		}
	}
}

// takeBeside looks at the file of an entry that there is already. If it holds no
// answer it goes, but not before whoever is being asked has failed to give one.
func (k *keeper) takeBeside(e *entry, now time.Time) {
	if k.look(e, now) != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.damaged = e.flight != nil; !e.damaged && e.this.IsZero() {
		k.discard(e.path)
	}
}
