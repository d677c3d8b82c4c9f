package watcher

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// terrain is what has to be watched for a set of files: the directories they
// are found in, and those their symbolic links lead through.
type terrain struct {
	places   map[string]*place // by the directory's path without symbolic links
	resolved map[string]bool   // certificates whose links are in it
	walks    uint64            // Watcher.walks when it was begun
	edits    int               // how often something was added
}

// place is one directory.
type place struct {
	// names are the paths by which sources reach it. An entry's events are
	// about the files of these names.
	names []string

	// links are entries that certificates elsewhere are links to, or lead
	// through. A rewrite there makes no event where the certificate is.
	links map[string][]string

	// ways are entries that lead to a source, or will when they exist. What
	// lies behind them changes as a whole.
	ways map[string]bool
}

func newTerrain() *terrain {
	return &terrain{places: make(map[string]*place), resolved: make(map[string]bool)}
}

func (t *terrain) at(real string) *place {
	p := t.places[real]
	if p == nil {
		p = &place{}
		t.places[real] = p
	}
	return p
}

// visit notes that files are found in a directory.
func (t *terrain) visit(real, name string) {
	p := t.at(real)
	if !slices.Contains(p.names, name) {
		p.names = append(p.names, name)
		t.edits++
	}
}

// link notes through what a certificate is reached, and where it really is.
func (t *terrain) link(cert string, steps []step, real string) {
	if real != "" {
		steps = append(steps, step{filepath.Dir(real), filepath.Base(real)})
	}
	known := t.resolved[cert]
	for _, s := range steps {
		// A hundred thousand certificates may lead through one link, so the
		// list is searched only where the certificate may be in it.
		if known && slices.Contains(t.at(s.dir).links[s.name], cert) {
			continue
		}
		t.addLink(s, cert)
	}
	t.resolved[cert] = true
}

func (t *terrain) addLink(s step, cert string) {
	p := t.at(s.dir)
	if p.links == nil {
		p.links = make(map[string][]string)
	}
	p.links[s.name] = append(p.links[s.name], cert)
	t.edits++
}

// way notes through what a directory is reached.
func (t *terrain) way(steps []step) {
	for _, s := range steps {
		p := t.at(s.dir)
		if p.ways == nil {
			p.ways = make(map[string]bool)
		}
		if !p.ways[s.name] {
			p.ways[s.name] = true
			t.edits++
		}
	}
}

// merge takes over all that is in o.
func (t *terrain) merge(o *terrain) {
	for real, from := range o.places {
		t.at(real)
		for _, name := range from.names {
			t.visit(real, name)
		}
		for name, certs := range from.links {
			for _, cert := range certs {
				if t.resolved[cert] && slices.Contains(t.at(real).links[name], cert) {
					continue
				}
				t.addLink(step{real, name}, cert)
			}
		}
		for name := range from.ways {
			t.way([]step{{real, name}})
		}
	}
	maps.Copy(t.resolved, o.resolved)
}

// step is a directory entry that decides where a path leads: a symbolic link, or
// the first thing that is missing.
type step struct{ dir, name string }

// maxLinks is where Linux gives up as well (path_resolution(7)).
const maxLinks = 40

// resolve follows an absolute path from the directory at, which has no symbolic
// links in its own path. It returns the path without them, and the steps on the
// way; these are complete even if there is an error.
func resolve(at, path string) (real string, steps []step, err error) {
	todo := strings.Split(path, "/")
	links := 0
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		full := filepath.Join(at, name)
		target, err := readlink(full)
		switch {
		case errors.Is(err, unix.EINVAL): // not a link
			at = full
			continue
		case err != nil:
			return "", append(steps, step{at, name}), err
		}
		steps = append(steps, step{at, name})
		if links++; links > maxLinks {
			return "", steps, unix.ELOOP
		}
		if strings.HasPrefix(target, "/") {
			at = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return at, steps, nil
}

func readlink(path string) (string, error) {
	buf := make([]byte, unix.PathMax)
	for {
		n, err := unix.Readlink(path, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return "", err
		}
		return string(buf[:n]), nil
	}
}
