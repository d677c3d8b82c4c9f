package watcher

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// event finds out which certificates an event is about.
func (r *runner) event(ctx context.Context, e fsnotify.Event) {
	if w := r.kernel.byPath[e.Name]; w != nil && e.Has(fsnotify.Remove|fsnotify.Rename) {
		r.ended(w)
	}
	dir, name := filepath.Split(e.Name)
	w := r.kernel.byPath[filepath.Clean(dir)]
	if w == nil {
		return
	}
	for _, real := range w.reals {
		p := r.terrain.places[real]
		if p == nil {
			continue
		}
		if p.ways[name] {
			r.touch(everywhere)
		}
		for _, cert := range p.links[name] {
			r.about(cert)
		}
		for _, named := range p.names {
			r.entry(ctx, filepath.Join(named, name), e.Op)
		}
	}
}

// ended is for a watched directory that was removed or moved away.
func (r *runner) ended(w *watched) {
	r.kernel.drop(w)
	for _, real := range w.reals {
		p := r.terrain.places[real]
		if p == nil {
			continue
		}
		if len(p.names) > 0 || len(p.ways) > 0 {
			r.touch(everywhere)
		}
		for _, certs := range p.links {
			for _, cert := range certs {
				r.changed(cert)
			}
		}
	}
}

// entry is for an event at a path as a source, or the user, names it.
func (r *runner) entry(ctx context.Context, path string, op fsnotify.Op) {
	if r.o.StapleOf != nil {
		if cert, ok := r.o.StapleOf(path); ok {
			r.changed(cert)
			return
		}
	}
	r.about(path)
	if op.Has(fsnotify.Create|fsnotify.Chmod) && len(r.sources.covering(path)) > 0 {
		if stat, err := statOf(path); err == nil && isDir(&stat) {
			r.enter(ctx, path)
		}
	}
}

// about finds the certificates that may have become others with a file, which
// may be a certificate itself.
func (r *runner) about(path string) {
	dir, name := filepath.Split(path)
	switch {
	case name == "chain.pem" || name == "ca.crt": // every certificate here may need it
		r.list(dir)
	case filepath.Ext(name) == ".ocsp":
		r.changed(strings.TrimSuffix(path, ".ocsp"))
	case filepath.Ext(name) == ".issuer":
		r.issuer(strings.TrimSuffix(path, ".issuer"))
	}
	r.changed(path)
}

// issuer is for a file with an issuer: path is its name without .issuer, and
// the certificate's with or without its extension.
func (r *runner) issuer(path string) {
	r.changed(path)
	for _, ext := range []string{".pem", ".crt", ".cer", ".cert"} {
		if r.sources.claims(path + ext) {
			if _, err := statOf(path + ext); err == nil {
				r.changed(path + ext)
			}
		}
	}
}

// changed is for a path that may be a certificate.
func (r *runner) changed(path string) {
	if !r.mayHold(path) {
		return
	}
	r.touch(path)
	// It may be a link to somewhere new. Nothing needs to be learnt of more
	// than will be named: a Scan will follow.
	if len(r.settling.paths) < maxPaths {
		r.relink(path)
	}
}

// relink watches what a certificate is a link to.
func (r *runner) relink(cert string) {
	if _, err := readlink(cert); err != nil && !r.terrain.resolved[cert] {
		return
	}
	real, steps, _ := resolve("/", cert)
	r.learn(func(t *terrain) { t.link(cert, steps, real) })
	for _, s := range steps {
		r.watch(s.dir)
	}
	if real != "" {
		r.watch(filepath.Dir(real))
	}
}

func (r *runner) watch(real string) (added bool) {
	added, _ = r.kernel.watch(real) // if it has gone, a Scan will find out
	r.judge()
	return added
}

// learn changes the terrain so that a Scan which is under way will not undo it.
func (r *runner) learn(change func(*terrain)) {
	before := r.terrain.edits
	if change(r.terrain); r.terrain.edits != before {
		r.walks.Add(1)
	}
}

// list touches everything in a directory that may be a certificate.
func (r *runner) list(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.touch(everywhere)
		return
	}
	if len(entries) > maxPaths {
		r.touch(everywhere)
		return
	}
	for _, entry := range entries {
		r.changed(filepath.Join(dir, entry.Name()))
	}
}

// enter walks through a new directory. What is in it may have come before it
// was watched, and even then there may be directories in it; so it is walked
// until nothing in it is new.
func (r *runner) enter(ctx context.Context, dir string) {
	dir = filepath.Clean(dir)
	for range maxLinks { // deeper than that somebody keeps making more
		found := newTerrain()
		var files []File
		for _, i := range r.sources.covering(dir) {
			k := walk{w: r.Watcher, ctx: ctx, index: i, source: r.sources.all[i], terrain: found}
			if s, ok := k.descend(dir); ok {
				k.dir(s)
			}
			files = append(files, k.files...)
		}
		r.learn(func(t *terrain) { t.merge(found) })
		fresh := false
		for real := range found.places {
			fresh = r.watch(real) || fresh
		}
		if !fresh {
			for _, f := range files {
				r.touch(f.Path)
			}
			return
		}
	}
	r.touch(everywhere)
}
