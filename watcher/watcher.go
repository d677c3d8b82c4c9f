// Package watcher finds the files that may hold chains, and tells when to look
// at them again. It never reads them: package chain does.
package watcher

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Source is what a user names: a file, a directory, or a glob in which ** stands
// for any number of directories.
type Source struct {
	Path      string
	Recursive bool // a directory: with all directories below it
}

// File is a file that may hold a chain.
type File struct {
	Path   string // absolute
	Source int    // index of the source that names it; there may be several, with a File each
	Stamp  Stamp
}

// Change says where to look again. What has changed, and whether anything has,
// the look will tell.
type Change struct {
	All   bool     // everywhere: do a Scan
	Soon  bool     // nothing yet; a Change that says All follows within a second or so
	Paths []string // at these certificates: do a Look
}

// SourceError says why something a source names could not be looked at.
type SourceError struct {
	Source int
	Path   string
	Err    error
}

// Error implements error.
func (e *SourceError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap lets errors.Is find fs.ErrNotExist and fs.ErrPermission.
func (e *SourceError) Unwrap() error { return e.Err }

// Options configure a Watcher. The zero value of each but Sources stands for
// its default.
type Options struct {
	Sources []Source

	// Rescan is how often to look everywhere without an event. No event comes
	// from other machines' writes to a network file system. Default: 1m.
	Rescan time.Duration

	// PollInterval takes the place of Rescan while directories cannot be
	// watched. Default: 5s.
	PollInterval time.Duration

	// Settle is how long a file must be left alone before a Change names it.
	// Default: 50ms.
	Settle time.Duration

	// Ignore reports whether a path is none of ours, though a source covers
	// it. It must not block.
	Ignore func(path string) bool

	// StapleOf maps the path of a staple file to its certificate, so that a
	// staple somebody damages is looked at. By default path.ocsp belongs to
	// path. It must not block.
	StapleOf func(path string) (cert string, ok bool)

	Log *slog.Logger
}

// Watcher finds the files of its sources.
type Watcher struct {
	o       Options
	log     *slog.Logger
	sources sources

	published chan struct{} // found or staples has changed
	walks     atomic.Uint64 // counts what Run added to its terrain by itself
	lastScan  atomic.Int64  // how long the last Scan took, in nanoseconds

	mu      sync.Mutex
	found   *terrain // by the last Scan; nil when Run has taken it
	staples []string
	polling string // why; "" if directories are watched
}

// New checks the sources. It does not touch the file system otherwise.
func New(o Options) (*Watcher, error) {
	if o.Rescan <= 0 {
		o.Rescan = time.Minute
	}
	if o.PollInterval <= 0 {
		o.PollInterval = 5 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = 50 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	all, err := newSources(o.Sources)
	if err != nil {
		return nil, err
	}
	return &Watcher{o: o, log: o.Log, sources: all, published: make(chan struct{}, 1)}, nil
}

// WatchStaples sets the directories with staples that do not lie beside their
// certificates. Events there go through Options.StapleOf. It may be called at
// any time; a directory that is not there yet is looked for at each rescan.
func (w *Watcher) WatchStaples(dirs []string) {
	w.mu.Lock()
	w.staples = append([]string(nil), dirs...)
	w.mu.Unlock()
	w.publish()
}

// Polling reports whether changes are found by looking at everything again and
// again, because the kernel would not watch all directories, and why.
func (w *Watcher) Polling() (polling bool, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.polling != "", w.polling
}

func (w *Watcher) publish() {
	select {
	case w.published <- struct{}{}:
	default: // Run has not come to the last one yet and will see both
	}
}
