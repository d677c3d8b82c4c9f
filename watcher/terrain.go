package watcher

import (
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
	}
}

// link notes through what a certificate is reached.
func (t *terrain) link(cert string, steps []step) {
	t.resolved[cert] = true
	for _, s := range steps {
		p := t.at(s.dir)
		if p.links == nil {
			p.links = make(map[string][]string)
		}
		if !slices.Contains(p.links[s.name], cert) {
			p.links[s.name] = append(p.links[s.name], cert)
		}
	}
}

// way notes through what a directory is reached.
func (t *terrain) way(steps []step) {
	for _, s := range steps {
		p := t.at(s.dir)
		if p.ways == nil {
			p.ways = make(map[string]bool)
		}
		p.ways[s.name] = true
	}
}

// merge takes over all that is in o.
func (t *terrain) merge(o *terrain) {
	for real, from := range o.places {
		for _, name := range from.names {
			t.visit(real, name)
		}
		for name, certs := range from.links {
			for _, cert := range certs {
				t.link(cert, []step{{real, name}})
			}
		}
		for name := range from.ways {
			t.way([]step{{real, name}})
		}
	}
}

// step is a directory entry that a path leads through: a symbolic link, the
// file at the end, or the first thing that is missing.
type step struct{ dir, name string }

// maxLinks is where Linux gives up as well (path_resolution(7)).
const maxLinks = 40

// resolve follows an absolute path from the directory at, which has no symbolic
// links in its own path. It returns the path without them, and the steps that
// decide where it leads; steps are complete even if there is an error.
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
		case err == unix.EINVAL: // not a link
			if len(todo) == 0 {
				steps = append(steps, step{at, name})
			}
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
		case err == unix.EINTR:
			continue
		case err != nil:
			return "", err
		}
		return string(buf[:n]), nil
	}
}
