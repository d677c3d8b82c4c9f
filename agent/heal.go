package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher/chain"
)

// Holder is a server that holds staples in its memory, so that what it serves
// may not be what is on disk.
type Holder interface {
	// Identity names the running process: another one has forgotten what it
	// was told. An error that is fs.ErrNotExist says that none runs.
	Identity(ctx context.Context) (string, error)

	// Reconcile compares the staples it holds with those in the files, and
	// hands it what differs.
	Reconcile(ctx context.Context, all []hooks.Change) (pushed int, err error)
}

// Held is a Holder and the hook by which it is told of changes.
type Held struct {
	Queue  *hooks.Queue
	Holder Holder

	// Expected says that somebody has said where it is, and did not only
	// leave it to be found where it usually is: that it is not there is worth
	// a word then.
	Expected bool
}

const (
	// healEvery is how soon a restarted server is noticed.
	healEvery = 5 * time.Second
	// healAnyway is how often a server is compared although it is the same
	// process: somebody else may have told it something.
	healAnyway = 10 * time.Minute
	// lookedPause is between two questions whether the first look is over.
	lookedPause = time.Second
	// absentFor is how long a server that is expected may be away, while it
	// starts or restarts, before that is said.
	absentFor = time.Minute
)

// heal keeps what a server holds equal to what is on disk.
func (a *Agent) heal(ctx context.Context, h Held) error {
	log := a.log.With("hook", h.Queue.Name())
	var known, said string
	var healed time.Time
	gone := absence{held: h, log: log}
	for {
		id, err := h.Holder.Identity(ctx)
		pause := healEvery
		gone.note(err)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			known, err = "", nil
		case err != nil:
			known = ""
		case id != known || time.Since(healed) >= healAnyway:
			if err = a.healOnce(ctx, h); err == nil {
				known, healed = id, time.Now()
			} else if errors.Is(err, errNotLooked) {
				err, pause = nil, lookedPause
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && err.Error() != said:
			said = err.Error()
			log.Warn("what the server holds cannot be compared with the staples on disk", "err", err)
		case err == nil:
			said = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// absence is for how long an expected server has not been there.
type absence struct {
	held  Held
	log   *slog.Logger
	since time.Time // zero: it is there
	said  bool
}

// note takes in what asking the server for its identity came to.
func (a *absence) note(err error) {
	switch {
	case !a.held.Expected || err != nil && !errors.Is(err, fs.ErrNotExist):
		return
	case err == nil:
		if a.said {
			a.log.Info("server is there again")
			a.held.Queue.Away(nil)
		}
		a.since, a.said = time.Time{}, false
	case a.since.IsZero():
		a.since = time.Now()
	case !a.said && time.Since(a.since) >= absentFor:
		a.said = true
		a.held.Queue.Away(err)
		sayAbsent(a.log, err)
	}
}

func sayAbsent(log *slog.Logger, err error) {
	log.Warn("server is not there to be told of staples: it reads their files if it starts later", "err", err)
}

// errNotLooked says that it is not known yet what is on disk.
var errNotLooked = errors.New("the certificates have not been looked at yet")

// healOnce compares the server with the disk. A comparison of everything may
// take as long as a delivery of everything: one that is cut off begins anew.
func (a *Agent) healOnce(ctx context.Context, h Held) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.Queue.Timeout(), fmt.Errorf("it took longer than %v", h.Queue.Timeout()))
	defer cancel()
	looked := false
	a.onLoop(ctx, func() { looked = a.scanned && a.lookings == 0 })
	if !looked {
		return errNotLooked
	}
	pushed, err := h.Holder.Reconcile(ctx, a.Placed(ctx, h.Queue))
	if pushed > 0 {
		a.log.Info("server had other staples than those on disk", "hook", h.Queue.Name(), "changes", pushed)
	}
	return err
}

// Placed returns a change for each staple that is on disk, as it should be, and
// that q is told of.
func (a *Agent) Placed(ctx context.Context, q *hooks.Queue) []hooks.Change {
	var out []hooks.Change
	a.onLoop(ctx, func() {
		now := wall()
		for _, t := range a.targets {
			if t.sub == nil || !t.disk.lasts(now) || !a.policy(t).publishes(t.disk.status) || !slices.Contains(a.o.Groups[t.key.group].Hooks, q) {
				continue
			}
			out = append(out, a.standing(t))
		}
	})
	return out
}

// onLoop runs f where the state may be read: on the loop's goroutine, or after
// its end on the caller's. It returns without having run f if ctx is done.
func (a *Agent) onLoop(ctx context.Context, f func()) {
	done := make(chan struct{})
	select {
	case a.calls <- func() { f(); close(done) }:
		<-done
	case <-a.ended:
		f()
	case <-ctx.Done():
	}
}

// ReadStaple returns the response in the staple file of a change, verified for
// the certificate it belongs to: a good one, or one that says what the change
// does. The error is fs.ErrNotExist if there is no staple file, or nothing but a
// placeholder in it.
func ReadStaple(loader *chain.Loader, change hooks.Change) ([]byte, error) {
	path := change.Staple
	c, err := loader.Load(change.Cert)
	if err != nil {
		return nil, err
	}
	der, err := readLimited(path)
	switch {
	case err != nil:
		return nil, err
	case len(der) == 0 || staple.IsPlaceholder(der):
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	}
	s, err := staple.Verify(der, c, wall(), staple.Options{})
	if e, ok := errors.AsType[*staple.Error](err); ok && e.Statement != nil && string(e.Statement.Status) == change.Status {
		s, err = e.Statement, nil // it was published, by policy
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s.DER(), nil
}
