package watcher

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// runnerAt has done its first Scan and watches. Nobody runs it, so that a test
// can put something between two of its steps.
func runnerAt(t *testing.T, s Source) *runner {
	t.Helper()
	r := newWatcher(t, Options{Sources: []Source{s}}).newRunner()
	t.Cleanup(r.close)
	r.scan(t)
	r.outbox = outbox{}
	return r
}

func (r *runner) scan(t *testing.T) {
	t.Helper()
	r.Scan(t.Context())
	r.adapt(t.Context())
}

func (r *runner) watches(t *testing.T, dir string) bool {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r.kernel.byPath[real] != nil
}

func TestWhatComesBetweenScanAndWatchIsNotLost(t *testing.T) {
	tests := []struct {
		name   string
		before func(t *testing.T, dir string) // a Scan sees this
		change func(t *testing.T, dir string) // and not this
		want   string                         // or everywhere
	}{
		{"a file in a new directory", func(t *testing.T, dir string) {
			write(t, dir+"/c/new/x.pem", "x")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/c/new/y.pem", "x")
		}, "c/new/y.pem"},
		{"a file at the end of a new link", func(t *testing.T, dir string) {
			write(t, dir+"/elsewhere/README", "x")
			link(t, "../elsewhere/x.pem", dir+"/c/x.pem")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/elsewhere/x.pem", "x")
		}, "c/x.pem"},
		{"a source that was missing", func(t *testing.T, dir string) {
			remove(t, dir+"/c")
		}, func(t *testing.T, dir string) {
			write(t, dir+"/c/x.pem", "x")
		}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir+"/c/old.pem", "x")
			r := runnerAt(t, Source{Path: dir + "/c", Recursive: true})
			test.before(t, dir)
			r.Scan(t.Context())
			test.change(t, dir)
			r.adapt(t.Context())
			want := everywhere
			if test.want != "" {
				want = filepath.Join(dir, test.want)
			}
			if _, ok := r.settling.paths[want]; !ok {
				t.Errorf("got %v, want %q among them", r.settling.paths, want)
			}
		})
	}
}

func TestAScanDoesNotUndoWhatEventsTaughtMeanwhile(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/c/old.pem", "x")
	r := runnerAt(t, Source{Path: dir + "/c", Recursive: true})
	r.Scan(t.Context()) // it is over before the directory comes
	write(t, dir+"/c/new/x.pem", "x")
	r.enter(t.Context(), dir+"/c/new")
	r.adapt(t.Context())
	if !r.watches(t, dir+"/c/new") {
		t.Error("the new directory is not watched any more")
	}
}

func TestWatchesEndWithTheirUse(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/archive/a/x.pem", "x")
	write(t, dir+"/archive/b/x.pem", "x")
	link(t, "../archive/a/x.pem", dir+"/live/x.pem")
	r := runnerAt(t, Source{Path: dir + "/live"})
	if !r.watches(t, dir+"/archive/a") {
		t.Fatal("what a link leads to is not watched")
	}
	remove(t, dir+"/live/x.pem")
	link(t, "../archive/b/x.pem", dir+"/live/x.pem")
	r.scan(t)
	if r.watches(t, dir+"/archive/a") || !r.watches(t, dir+"/archive/b") {
		t.Error("the watches did not follow the link")
	}
	if got, want := len(r.kernel.notify.WatchList()), len(r.kernel.byID); got != want {
		t.Errorf("the kernel watches %d directories, want %d", got, want)
	}
}

// The events of the old directory are still in the queue when a Scan finds the
// new one at its place.
func TestANameThatMeansAnotherDirectoryIsWatchedAnew(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/c/x.pem", "x")
	r := runnerAt(t, Source{Path: dir + "/c"})
	old := r.kernel.byPath[dir+"/c"].id
	rename(t, dir+"/c", dir+"/old")
	if err := os.Mkdir(dir+"/c", 0o755); err != nil {
		t.Fatal(err)
	}
	r.scan(t)
	if w := r.kernel.byPath[dir+"/c"]; w == nil || w.id == old || r.kernel.byID[old] != nil {
		t.Fatalf("got %+v, want the watch of the new directory alone", w)
	}
	write(t, dir+"/c/y.pem", "x")
	for {
		if r.kernel.byPath[dir+"/c"] == nil {
			r.scan(t) // an old event ended the new watch, and asked for this
		}
		if _, ok := r.settling.paths[dir+"/c/y.pem"]; ok {
			return
		}
		select {
		case event := <-r.kernel.events():
			r.event(t.Context(), event)
		case <-time.After(patience):
			t.Fatal("a file in the new directory made no event")
		}
	}
}

func TestAScanWithoutChangesAsksForNothing(t *testing.T) {
	r := runnerAt(t, Source{Path: messy(t), Recursive: true})
	for range 2 {
		r.scan(t)
		if !r.outbox.empty() || len(r.settling.paths) > 0 {
			t.Fatalf("got %+v, %v: scans would go round in circles", r.outbox.change, r.settling.paths)
		}
	}
}
