package watcher

import (
	"path/filepath"
	"slices"
)

// sources finds the sources of a path without asking each: a user may well
// name five thousand files.
type sources struct {
	all    []*source
	byPath map[string][]int // those without a pattern
	globs  []int
}

func newSources(in []Source) (sources, error) {
	out := sources{byPath: make(map[string][]int)}
	for i, s := range in {
		compiled, err := newSource(s)
		if err != nil {
			return sources{}, err
		}
		out.all = append(out.all, compiled)
		// A glob may be the very name of a file: "*.example.com.pem".
		out.byPath[compiled.path] = append(out.byPath[compiled.path], i)
		if compiled.glob {
			out.globs = append(out.globs, i)
		}
	}
	return out, nil
}

// naming returns the sources whose path this is.
func (s *sources) naming(path string) []int { return s.byPath[path] }

// covering returns the sources that may reach the directory, in order.
func (s *sources) covering(dir string) []int {
	var out []int
	for d := dir; ; d = filepath.Dir(d) {
		for _, i := range s.byPath[d] {
			if !s.all[i].glob && s.all[i].covers(dir) {
				out = append(out, i)
			}
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	for _, i := range s.globs {
		if s.all[i].covers(dir) {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// claims reports whether the path may be a certificate of any source.
func (s *sources) claims(path string) bool {
	if len(s.naming(path)) > 0 {
		return true
	}
	for _, i := range s.covering(filepath.Dir(path)) {
		if s.all[i].takes(path) {
			return true
		}
	}
	return false
}
