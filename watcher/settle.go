package watcher

import "time"

// settling holds paths until nothing has happened to them for a while: a file
// that is being written makes an event for each piece.
type settling struct {
	quiet time.Duration // how long nothing must happen
	most  time.Duration // after this the path is due anyway
	paths map[string]span
}

type span struct{ first, last time.Time }

// everywhere stands among the paths for a look at everything.
const everywhere = ""

func newSettling(quiet time.Duration) settling {
	// A log written to for ever in a certificate directory is looked at all
	// the same, but not all the time.
	return settling{quiet: quiet, most: 20 * quiet, paths: make(map[string]span)}
}

func (s *settling) touch(path string, now time.Time) {
	if len(s.paths) >= maxPaths {
		all, ok := s.paths[everywhere]
		clear(s.paths)
		if ok {
			s.paths[everywhere] = all // or a stream of events would put it off for ever
		}
		path = everywhere
	}
	at, ok := s.paths[path]
	if !ok {
		at.first = now
	}
	at.last = now
	s.paths[path] = at
}

// due takes out the paths whose time has come, and says in how long the next
// one is due; 0 means that there is none.
func (s *settling) due(now time.Time) (paths []string, nextIn time.Duration) {
	for path, at := range s.paths {
		dueIn := min(at.last.Add(s.quiet).Sub(now), at.first.Add(s.most).Sub(now))
		switch {
		case dueIn <= 0:
			paths = append(paths, path)
			delete(s.paths, path)
		case nextIn == 0 || dueIn < nextIn:
			nextIn = dueIn
		}
	}
	return paths, nextIn
}

// outbox is the Change that waits for its receiver to be ready.
type outbox struct {
	change Change
	has    map[string]bool
}

func (o *outbox) add(paths []string) {
	for _, path := range paths {
		switch {
		case path == everywhere || len(o.change.Paths) >= maxPaths:
			o.all()
		case !o.change.All && !o.has[path]:
			if o.has == nil {
				o.has = make(map[string]bool)
			}
			o.has[path] = true
			o.change.Paths = append(o.change.Paths, path)
		}
	}
}

func (o *outbox) all() { *o = outbox{change: Change{All: true}} }

func (o *outbox) empty() bool {
	return !o.change.All && !o.change.Soon && len(o.change.Paths) == 0
}

// maxPaths is the number of paths above which a look at everything costs less
// than what it takes to name them.
const maxPaths = 5000
