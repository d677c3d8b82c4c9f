package watcher

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/watcher/chain"
)

// Scan looks everywhere and returns the files of all sources, and as problems
// what could not be looked at: each a *SourceError, or the cause if ctx ended
// before the scan did. That a directory is empty is no problem.
func (w *Watcher) Scan(ctx context.Context) (files []File, problems []error) {
	start := time.Now()
	t := newTerrain()
	t.walks = w.walks.Load()
	for i := range w.sources.all {
		k := walk{w: w, ctx: ctx, index: i, source: w.sources.all[i], terrain: t}
		k.all()
		if problems = append(problems, k.problems...); i == 0 {
			files = k.files
		} else {
			files = append(files, k.files...)
		}
	}
	if ctx.Err() != nil {
		return files, append(problems, context.Cause(ctx))
	}
	w.lastScan.Store(int64(time.Since(start)))
	w.mu.Lock()
	w.found = t
	w.mu.Unlock()
	w.publish()
	return files, problems
}

// walk goes through the files of one source.
type walk struct {
	w       *Watcher
	ctx     context.Context
	index   int
	source  *source
	terrain *terrain

	files    []File
	problems []error
}

// spot is a directory a walk has come to.
type spot struct {
	path   string     // as the source reaches it
	real   string     // without symbolic links
	depth  int        // below the source's start
	linked bool       // through a link below the start: no second one is followed
	trail  []identity // of the directories above: a link to one of them is a loop
	open   int        // descriptor of the directory while it is walked
}

func (k *walk) all() {
	if !k.source.glob {
		k.named()
		return
	}
	if _, err := statOf(k.source.path); err == nil {
		k.named() // a file whose name looks like a pattern
	}
	root := k.source.root
	stat, err := statOf(root)
	real := k.reach(root)
	switch {
	case err != nil:
		k.problem(root, err)
	case isDir(&stat):
		k.dir(spot{path: root, real: real})
	}
	k.dedupe()
}

// dedupe is for the glob that matches a file of its own name.
func (k *walk) dedupe() {
	slices.SortStableFunc(k.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	k.files = slices.CompactFunc(k.files, func(a, b File) bool { return a.Path == b.Path })
}

// named looks at what the source names itself. Such a file may be called and
// be as large as it likes.
func (k *walk) named() {
	path := k.source.path
	stat, err := statOf(path)
	switch {
	case err == nil && isDir(&stat):
		k.dir(spot{path: path, real: k.reach(path)})
		return
	case err == nil && isRegular(&stat):
		k.files = append(k.files, File{Path: path, Source: k.index, Stamp: stampOf(&stat)})
	case err == nil:
		k.problem(path, errors.New("neither a file nor a directory"))
	default:
		k.problem(path, err)
	}
	// It may turn out to be a directory when it comes, hence the way.
	real, steps, _ := resolve("/", path)
	k.terrain.link(path, steps, real)
	if err != nil {
		k.terrain.way(steps)
	}
	dir := filepath.Dir(path)
	if real := k.reach(dir); real != "" {
		k.terrain.visit(real, dir) // for the issuer, and the staple
	}
}

// reach resolves the path of a directory and notes the way to it.
func (k *walk) reach(dir string) (real string) {
	real, steps, _ := resolve("/", dir)
	k.terrain.way(steps)
	return real
}

func (k *walk) dir(s spot) {
	stat, err := statOf(s.path)
	if err != nil {
		k.vanished(s.path, err)
		return
	}
	id := identityOf(&stat)
	if slices.Contains(s.trail, id) {
		return
	}
	k.terrain.visit(s.real, s.path)
	open, err := os.Open(s.path)
	if err != nil {
		k.vanished(s.path, err)
		return
	}
	defer open.Close()
	s.open = int(open.Fd())
	entries, err := open.ReadDir(-1) // even with an error it returns what it has read
	if err != nil {
		k.vanished(s.path, err)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	k.files = slices.Grow(k.files, len(entries)/2) // the others are their staples
	s.trail = append(slices.Clip(s.trail), id)
	for i, entry := range entries {
		if i%1024 == 0 && k.ctx.Err() != nil {
			return
		}
		k.entry(s, entry)
	}
}

func (k *walk) entry(s spot, entry os.DirEntry) {
	name := entry.Name()
	path := filepath.Join(s.path, name)
	enters, takes := k.source.enters(name, s.depth), k.takes(path)
	switch {
	case !enters && !takes:
	case entry.IsDir():
		if enters {
			k.dir(spot{path: path, real: filepath.Join(s.real, name), depth: s.depth + 1, linked: s.linked, trail: s.trail})
		}
	case entry.Type()&os.ModeSymlink != 0:
		k.follow(s, name, enters && !s.linked, takes)
	case entry.Type().IsRegular() && takes:
		k.file(s, name, path)
	}
}

func (k *walk) takes(path string) bool {
	return k.source.takes(path) && (k.w.o.Ignore == nil || !k.w.o.Ignore(path))
}

// follow looks at what is behind a symbolic link.
func (k *walk) follow(s spot, name string, enters, takes bool) {
	path := filepath.Join(s.path, name)
	stat, err := statOf(path)
	switch {
	case err == nil && isDir(&stat):
		if enters {
			real, steps, _ := resolve(s.real, name)
			k.terrain.way(steps)
			k.dir(spot{path: path, real: real, depth: s.depth + 1, linked: true, trail: s.trail})
		}
		return
	case !takes:
		return
	case err == nil:
		k.add(path, &stat)
	case !isMissing(err) && !errors.Is(err, unix.ELOOP):
		k.problem(path, err)
	}
	// Where a dangling link leads, something may come yet.
	if !k.terrain.resolved[path] {
		real, steps, _ := resolve(s.real, name)
		k.terrain.link(path, steps, real)
	}
}

func (k *walk) file(s spot, name, path string) {
	stat, err := statAt(s.open, name)
	if err != nil {
		k.vanished(path, err)
		return
	}
	k.add(path, &stat)
}

func (k *walk) add(path string, stat *unix.Stat_t) {
	if isRegular(stat) && stat.Size <= chain.MaxSize {
		k.files = append(k.files, File{Path: path, Source: k.index, Stamp: stampOf(stat)})
	}
}
