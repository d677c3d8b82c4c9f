package watcher

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// kernel is what the kernel watches for us. fsnotify knows a directory by one
// name; here one directory may have several, for bind mounts and links lead to
// it, and its name may come to mean another directory.
type kernel struct {
	notify *fsnotify.Watcher // nil: it could not be had
	errs   chan error        // closed when notify has ended
	byID   map[identity]*watched
	byPath map[string]*watched
	failed error // why a directory could not be watched
}

type watched struct {
	id    identity
	path  string   // as fsnotify knows it
	reals []string // places of the terrain that are this directory
}

// open starts anew, with nothing watched.
func (k *kernel) open() {
	k.byID, k.byPath, k.failed = make(map[identity]*watched), make(map[string]*watched), nil
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		k.notify = nil
		k.failed = explain(err)
		return
	}
	k.notify, k.errs = notify, make(chan error, 1)
	go drain(notify.Errors, k.errs)
}

// drain hands errors on without ever waiting: fsnotify may hold its lock while
// it sends one, and whoever should receive it may be in Add, waiting for that
// lock. One error is as good as many.
func drain(from <-chan error, to chan<- error) {
	defer close(to)
	for err := range from {
		select {
		case to <- err:
		default:
		}
	}
}

func (k *kernel) close() {
	if k.notify == nil {
		return
	}
	k.notify.Close()
	for range k.errs { // until drain has ended
	}
	k.notify = nil
}

// events and errors are nil while there is no watcher: they block for ever.
func (k *kernel) events() <-chan fsnotify.Event {
	if k.notify == nil {
		return nil
	}
	return k.notify.Events
}

func (k *kernel) errors() <-chan error {
	if k.notify == nil {
		return nil
	}
	return k.errs
}

// watch watches a directory. It reports whether that is new, so that what
// happened before is unknown, and whether the directory is there at all.
func (k *kernel) watch(real string) (added, exists bool) {
	if k.notify == nil || errors.Is(k.failed, unix.ENOSPC) {
		return false, true // the next thousand would fail as well
	}
	stat, err := statOf(real)
	if err != nil {
		return false, k.fail(real, err)
	}
	if !isDir(&stat) {
		return false, false
	}
	id := identityOf(&stat)
	if old := k.byPath[real]; old != nil && old.id != id {
		k.drop(old) // the name means another directory now
	}
	w := k.byID[id]
	added = w == nil
	if added {
		w = &watched{id: id, path: real}
	}
	// Again for a known one: a file system that was unmounted took its
	// watches along, and fsnotify says nothing about it.
	if err := k.notify.Add(w.path); err != nil {
		if !added {
			k.drop(w)
		}
		return false, k.fail(real, err)
	}
	k.byID[id], k.byPath[w.path] = w, w
	if !slices.Contains(w.reals, real) {
		w.reals = append(w.reals, real)
	}
	return added, true
}

// fail takes note of an error, unless it is that the directory is missing.
func (k *kernel) fail(real string, err error) (exists bool) {
	if isMissing(err) {
		return false
	}
	k.failed = explain(fmt.Errorf("watch %s: %w", real, err))
	return true
}

// retry forgets that watches have failed: the limits may have been raised, or
// others' watches gone.
func (k *kernel) retry() {
	if k.notify != nil {
		k.failed = nil
	}
}

// drop ends a watch, or forgets one that the kernel has ended.
func (k *kernel) drop(w *watched) {
	delete(k.byID, w.id)
	delete(k.byPath, w.path)
	// It may be gone already; there is nothing to do about other errors.
	_ = k.notify.Remove(w.path)
}

// keep drops all watches but those of the places.
func (k *kernel) keep(places map[string]*place) {
	for _, w := range k.byID {
		w.reals = slices.DeleteFunc(w.reals, func(real string) bool {
			if places[real] == nil {
				return true
			}
			stat, err := statOf(real)
			return err != nil || identityOf(&stat) != w.id
		})
		if !slices.Contains(w.reals, w.path) {
			k.drop(w) // others of its names get a watch of their own
		}
	}
}

// explain adds what an administrator can do.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w: raise sysctl fs.inotify.max_user_watches", err)
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("%w: raise sysctl fs.inotify.max_user_instances or the limit of open files", err)
	}
	return err
}
