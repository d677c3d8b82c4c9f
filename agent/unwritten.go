package agent

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
)

const (
	// maxUnwritten is how many staples are kept that could not be written, of
	// a few KiB each. Others are asked for again.
	maxUnwritten = 4096

	// firstRewrite is the pause before one of them is written again, and
	// slowestRewrite the longest one: nobody but the disk is asked.
	firstRewrite   = 2 * time.Second
	slowestRewrite = time.Minute

	// blockedFor is for how long a directory counts as one that cannot be
	// written to, if nobody tries: longer than any pause between two tries.
	blockedFor = 2 * time.Hour
)

// blockage is why no file of a directory could be written when that was last
// tried.
type blockage struct {
	why syscall.Errno
	at  time.Time
}

// rewriteIn is the pause after failed write number n in a row.
func rewriteIn(n int) time.Duration { return min(slowestRewrite, firstRewrite<<min(n-1, 10)) }

// hold keeps a staple that could not be written to the file of t, or, if it is
// nil, lets go of it. It reports whether there was room.
func (a *Agent) hold(t *target, s *staple.Staple) bool {
	switch {
	case (t.unwritten == nil) == (s == nil):
	case s == nil:
		a.unwritten--
	case a.unwritten >= maxUnwritten:
		return false
	default:
		a.unwritten++
	}
	t.unwritten = s
	return true
}

// rewrite writes the staple that could not be written before, unless it is no
// longer worth it.
func (a *Agent) rewrite(t *target, now time.Time) {
	s := t.unwritten
	if s == nil || t.placing || t.looking || now.Before(t.writeAt) {
		return
	}
	if !now.Before(endOf(t, s.ThisUpdate, s.Expires)) || !a.offer(t, s, now) {
		a.hold(t, nil)
	}
}

// onUnwritten notes that the staple file of t could not be changed. What is
// wrong with a whole directory is said once.
func (a *Agent) onUnwritten(t *target, p placed) {
	now := wall()
	level, message := slog.LevelError, "staple file not changed"
	if t.failed == p.err.Error() {
		level = slog.LevelDebug
	} else {
		a.memory.dirty = true
	}
	if why := ofAll(p.err); why != 0 {
		message = "staple files in this directory cannot be changed"
		dir := filepath.Dir(t.staple)
		if b := a.blocked[dir]; b.why == why && now.Sub(b.at) < blockedFor {
			level = slog.LevelDebug
		}
		a.blocked[dir] = blockage{why, now}
	}
	a.log.Log(context.Background(), level, message, "cert", t.key.path, "staple", t.staple, "err", p.err)
	t.failed, t.failedAt = p.err.Error(), now
	t.failures++
	if s := t.sub; s != nil && p.staple != nil && !(p.stamp == t.stamp && a.hold(t, p.staple)) {
		// What was fetched is lost, and has to be fetched again.
		s.attempts++
		s.askedAt = now
		s.etag, s.modified = "", ""
	}
	if t.unwritten != nil {
		t.writeAt = now.Add(rewriteIn(t.failures))
	} else {
		t.writeAt = now.Add(schedule.RetryIn(t.failures, t.disk.this, t.disk.ends, now, 0))
	}
}

// ofAll returns the error of the system because of which no other file of the
// directory can be written either; 0: there is none.
func ofAll(err error) syscall.Errno {
	for _, why := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS} {
		if errors.Is(err, why) {
			return why
		}
	}
	return 0
}

// unblock has all files written that wait for a directory, if one of it has
// been written and none has failed for what concerns them all.
func (a *Agent) unblock(done []placed, now time.Time) {
	if len(a.blocked) == 0 {
		return
	}
	free := make(map[string]string) // a file that was written, by directory; "": another was not
	for _, p := range done {
		dir := filepath.Dir(p.path)
		_, known := free[dir]
		switch {
		case p.path == "" || a.blocked[dir].why == 0:
		case ofAll(p.err) != 0:
			free[dir] = ""
		case p.wrote() && !known:
			free[dir] = p.path
		}
	}
	for dir, path := range free {
		if path == "" {
			continue
		}
		delete(a.blocked, dir)
		a.log.Info("staple files in this directory can be changed again", "staple", path)
		for _, t := range a.targets {
			if t.failed != "" && t.sub != nil && filepath.Dir(t.staple) == dir {
				a.retry(t)
				t.sub.At = now
				a.due.Set(t.sub)
			}
		}
	}
}

// wrote reports whether bytes have come to the disk: files can be removed from
// one that is full.
func (p *placed) wrote() bool {
	return p.changed && p.err == nil && (p.staple != nil || p.mend || kindOf(p.way) != missing)
}
