package watcher

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// source is a Source made ready to be asked about names. Nothing here touches
// the file system.
type source struct {
	path      string // absolute; of a glob the whole pattern
	recursive bool

	// Of a glob:
	glob     bool
	root     string   // the directory before the first segment with a meta character
	segments []string // of the pattern below root
	deep     int      // from this segment on every directory is entered
	dots     bool     // the pattern names a dot file or a directory with one
}

func newSource(s Source) (*source, error) {
	if s.Path == "" {
		return nil, errors.New("empty path")
	}
	path, err := filepath.Abs(s.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	out := &source{path: path, recursive: s.Recursive}
	if !strings.ContainsAny(path, "*?[{") {
		return out, nil
	}
	if !doublestar.ValidatePathPattern(path) {
		return nil, fmt.Errorf("%s: malformed pattern", s.Path)
	}
	out.glob = true
	root, pattern := doublestar.SplitPattern(path)
	out.root, out.segments = filepath.Clean(root), strings.Split(pattern, "/")
	out.deep = slices.IndexFunc(out.segments, func(segment string) bool {
		// Braces may reach over a slash. Such a segment is no pattern by
		// itself; then only the whole pattern decides.
		return strings.Contains(segment, "**") || !doublestar.ValidatePattern(segment)
	})
	if out.deep < 0 {
		out.deep = len(out.segments)
	}
	out.dots = slices.ContainsFunc(out.segments, func(segment string) bool {
		return strings.HasPrefix(segment, ".")
	})
	return out, nil
}

// start is the directory in which a walk of the source begins, if it is one.
func (s *source) start() string {
	if s.glob {
		return s.root
	}
	return s.path
}

// enters reports whether the source covers files in the directory called name,
// which is depth directories below its start.
func (s *source) enters(name string, depth int) bool {
	switch {
	case s.hides(name):
		return false
	case !s.glob:
		return s.recursive
	case depth >= s.deep:
		return true
	case depth >= len(s.segments)-1:
		return false // the last segment is for files
	}
	return doublestar.MatchUnvalidated(s.segments[depth], name)
}

// takes reports whether a file in a directory the source enters may hold a
// chain, as far as its name tells.
func (s *source) takes(path string) bool {
	name := filepath.Base(path)
	if s.hides(name) || isReserved(name) {
		return false
	}
	return !s.glob || doublestar.PathMatchUnvalidated(s.path, path)
}

// hides is for what is temporary, and for the inner side of a Kubernetes
// volume: ..data and the directory it points to repeat the files beside them.
func (s *source) hides(name string) bool {
	return strings.HasPrefix(name, ".") && (!s.dots || strings.HasPrefix(name, ".."))
}

// isReserved knows the names HAProxy gives to files beside a certificate.
func isReserved(name string) bool {
	switch filepath.Ext(name) {
	case ".ocsp", ".key", ".sctl", ".issuer":
		return true
	}
	return false
}

// below returns the names that lead from dir to path; ok is false if path is
// not below it.
func below(dir, path string) (names []string, ok bool) {
	rest, ok := strings.CutPrefix(path, dir)
	if dir != "/" && ok {
		rest, ok = strings.CutPrefix(rest, "/")
	}
	if !ok || rest == "" {
		return nil, false
	}
	return strings.Split(rest, "/"), true
}

// covers reports whether the source may reach the directory.
func (s *source) covers(dir string) bool {
	if dir == s.start() {
		return true
	}
	names, ok := below(s.start(), dir)
	if !ok {
		return false
	}
	for depth, name := range names {
		if !s.enters(name, depth) {
			return false
		}
	}
	return true
}
