package watcher

import (
	"os"
	"path/filepath"
	"slices"
)

// Look looks at one path as Scan would. It returns a File for each source the
// path belongs to: none if it holds no certificate (any more).
func (w *Watcher) Look(path string) []File {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	stat, err := statOf(path)
	if err != nil || !isRegular(&stat) {
		return nil
	}
	var files []File
	for _, i := range w.sources.naming(path) {
		files = append(files, File{Path: path, Source: i, Stamp: stampOf(&stat)})
	}
	dir := filepath.Dir(path)
	for _, i := range w.sources.covering(dir) {
		k := walk{w: w, index: i, source: w.sources.all[i]}
		if !k.takes(path) {
			continue
		}
		if _, ok := k.descend(dir); ok {
			k.add(path, &stat)
		}
		files = append(files, k.files...)
	}
	slices.SortStableFunc(files, func(a, b File) int { return a.Source - b.Source })
	return slices.CompactFunc(files, func(a, b File) bool { return a.Source == b.Source })
}

// mayHold reports whether the path may be a certificate, as far as its name
// tells: the file may have gone.
func (w *Watcher) mayHold(path string) bool {
	if len(w.sources.naming(path)) > 0 {
		return true // what a user names is never ignored
	}
	return w.sources.claims(path) && (w.o.Ignore == nil || !w.o.Ignore(path))
}

// descend goes from the source's start to a directory it covers and reports
// whether a walk would get there.
func (k *walk) descend(dir string) (spot, bool) {
	real, _, err := resolve("/", k.source.start())
	if err != nil {
		return spot{}, false
	}
	s := spot{path: k.source.start(), real: real}
	names, _ := below(s.path, dir)
	for i := 0; ; i++ {
		stat, err := statOf(s.path)
		if err != nil || !isDir(&stat) || slices.Contains(s.trail, identityOf(&stat)) {
			return spot{}, false
		}
		if i == len(names) {
			return s, true
		}
		s.trail = append(s.trail, identityOf(&stat))
		if !k.step(&s, names[i]) {
			return spot{}, false
		}
	}
}

// step goes one directory down.
func (k *walk) step(s *spot, name string) bool {
	next := filepath.Join(s.path, name)
	entry, err := os.Lstat(next)
	if err != nil {
		return false
	}
	if entry.Mode()&os.ModeSymlink != 0 {
		if s.linked {
			return false
		}
		s.linked = true
	}
	s.real, _, err = resolve(s.real, name)
	s.path, s.depth = next, s.depth+1
	return err == nil
}
