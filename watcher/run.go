package watcher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Run watches the directories that the last Scan went through, and sends what
// should be looked at again, until ctx is done. The receiver does a Scan first
// and for each Change that says All, which also tells Run of new directories.
//
// All comes once when the first watches stand, for what happened between the
// Scan and then; whenever events were lost; and every Rescan. If the kernel
// will not watch, All comes every PollInterval: see Polling. A receiver that
// is busy loses nothing: changes are kept together until it takes them.
func (w *Watcher) Run(ctx context.Context, changes chan<- Change) error {
	r := w.newRunner()
	defer r.close()
	r.judge()
	for {
		var out chan<- Change
		if !r.outbox.empty() {
			out = changes
		}
		select {
		case <-ctx.Done():
			return nil
		case out <- r.outbox.change:
			r.outbox = outbox{}
		case <-w.published:
			r.adapt(ctx)
		case event, ok := <-r.kernel.events():
			if !ok {
				r.failed(fsnotify.ErrClosed)
				break
			}
			r.event(ctx, event)
		case err, ok := <-r.kernel.errors():
			if !ok {
				err = fsnotify.ErrClosed
			}
			r.failed(err)
		case <-r.timer.C:
			r.settled()
		case <-r.again.C:
			r.rescan()
		}
	}
}

// runner is the state of one Run; only its goroutine touches it.
type runner struct {
	*Watcher
	kernel    kernel
	terrain   *terrain
	adapted   bool // the terrain comes from a Scan
	settling  settling
	announced bool // that a look at everything is settling
	outbox    outbox
	timer     *time.Timer // for what is settling
	again     *time.Timer // for the next rescan
}

func (w *Watcher) newRunner() *runner {
	r := &runner{
		Watcher:  w,
		terrain:  newTerrain(),
		settling: newSettling(w.o.Settle),
		timer:    time.NewTimer(w.o.Settle),
		again:    time.NewTimer(w.o.Rescan),
	}
	r.kernel.open()
	return r
}

func (r *runner) close() {
	r.timer.Stop()
	r.again.Stop()
	r.kernel.close()
	r.setPolling("")
}

func (r *runner) settled() {
	paths, nextIn := r.settling.due(time.Now())
	if slices.Contains(paths, everywhere) {
		r.announced = false
	}
	r.outbox.add(paths)
	if nextIn > 0 {
		r.timer.Reset(nextIn)
	}
}

// touch is for a path that has to be looked at when it has settled.
func (r *runner) touch(path string) {
	idle := len(r.settling.paths) == 0
	r.settling.touch(path, time.Now())
	if _, all := r.settling.paths[everywhere]; all && !r.announced {
		r.announced = true
		r.outbox.change.Soon = !r.outbox.change.All
	}
	if idle {
		r.timer.Reset(r.settling.quiet)
	}
}

// rescan is the net under the events.
func (r *runner) rescan() {
	if r.kernel.notify == nil {
		r.kernel.open() // perhaps somebody has let go of theirs
	}
	r.outbox.all()
	r.schedule()
}

// schedule sets the time of the next rescan. Where a scan takes long it comes
// less often: restaple is to be idle when nothing happens.
func (r *runner) schedule() {
	const share = 50 // a scan takes at most one fiftieth of the time
	interval := r.o.Rescan
	if polling, _ := r.Polling(); polling {
		interval = min(interval, r.o.PollInterval)
	}
	r.again.Reset(max(interval, share*time.Duration(r.lastScan.Load())))
}

// failed is for errors of the kernel's queue.
func (r *runner) failed(err error) {
	if errors.Is(err, fsnotify.ErrEventOverflow) || errors.Is(err, unix.EINVAL) {
		// EINVAL comes of a directory that was moved and removed at once: its
		// watch had gone when fsnotify wanted to end it.
		r.touch(everywhere)
		return
	}
	r.kernel.close() // the next rescan opens it again
	r.kernel.failed = err
	r.judge()
}

// judge says when watching fails and when it works again.
func (r *runner) judge() {
	reason := ""
	if r.kernel.failed != nil {
		reason = r.kernel.failed.Error()
	}
	was, _ := r.Polling()
	switch {
	case reason != "" && !was:
		r.log.Warn("directories cannot be watched, looking at them at intervals", "err", r.kernel.failed)
	case reason == "" && was:
		r.log.Info("directories are watched again")
	}
	r.setPolling(reason)
	if was != (reason != "") {
		r.schedule()
	}
}

func (w *Watcher) setPolling(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.polling = reason
}
