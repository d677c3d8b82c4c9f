package watcher

import (
	"context"
	"slices"
)

// adapt takes over what a Scan has found, and the directories with staples.
func (r *runner) adapt(ctx context.Context) {
	r.mu.Lock()
	found, staples := r.found, r.staples
	r.found = nil
	r.mu.Unlock()
	before, first := r.terrain, found != nil && !r.adapted
	if found != nil {
		if found.walks != r.walks.Load() {
			found.merge(before) // it may have begun before we saw the new
		}
		r.terrain, r.adapted = found, true
	}
	for _, dir := range staples {
		real, steps, err := resolve("/", dir)
		if err == nil {
			r.terrain.visit(real, dir)
		}
		r.terrain.way(steps)
	}
	if !r.adapted {
		return // before the first Scan there is nothing to tell about
	}
	if r.kernel.notify != nil {
		r.kernel.keep(r.terrain.places)
	}
	r.kernel.retry()
	fresh := r.watchAll()
	r.judge()
	if first {
		r.outbox.all()
		return
	}
	for real, p := range r.terrain.places {
		known := before.places[real]
		if known == nil || fresh[real] {
			known = &place{}
		}
		r.catchUp(ctx, p, known)
	}
}

// watchAll watches all places, and returns those that are watched only now.
func (r *runner) watchAll() (fresh map[string]bool) {
	fresh = make(map[string]bool)
	for real, p := range r.terrain.places {
		added, exists := r.kernel.watch(real)
		if added {
			fresh[real] = true
		}
		if !exists && len(p.names) > 0 {
			r.touch(everywhere) // since the Scan it has gone
		}
	}
	return fresh
}

// catchUp looks at what is new about a place. Between the Scan that found it
// and now there were no events of it, or they meant nothing yet.
func (r *runner) catchUp(ctx context.Context, p, known *place) {
	for _, name := range p.names {
		if !slices.Contains(known.names, name) {
			r.enter(ctx, name)
		}
	}
	for name := range p.ways {
		if !known.ways[name] {
			r.touch(everywhere)
		}
	}
	for name, certs := range p.links {
		old := known.links[name]
		if slices.Equal(certs, old) {
			continue
		}
		was := make(map[string]bool, len(old))
		for _, cert := range old {
			was[cert] = true
		}
		for _, cert := range certs {
			if !was[cert] {
				r.touch(cert)
			}
		}
	}
}
