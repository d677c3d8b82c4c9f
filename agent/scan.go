package agent

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/writer"
)

// scan is what a full look at the file system found: no contents, two stamps a
// certificate.
type scan struct {
	files    []sighting
	problems []error
}

type sighting struct {
	key                    targetKey
	stamp, staple, snippet watcher.Stamp
}

// lookEverywhere starts a full scan. While what an earlier one has found is
// still being read, it only takes note: a second scan beside it would have
// everything read twice.
func (a *Agent) lookEverywhere(ctx context.Context) {
	if a.scanning || a.lookings > 0 {
		a.rescan = true
		return
	}
	a.rescan, a.scanning = false, true
	for _, l := range a.loaders {
		l.Refresh()
	}
	first := !a.scanned
	a.work.Go(func() {
		var s scan
		files, problems := a.watch.Scan(ctx)
		s.problems = problems
		s.files = make([]sighting, 0, len(files))
		var staples, snippets watcher.Stamper
		defer staples.Close()
		defer snippets.Close()
		for _, f := range files {
			k := targetKey{f.Path, a.groupOf[f.Source]}
			seen := sighting{key: k, stamp: f.Stamp}
			if first { // everything is read anyway
				s.files = append(s.files, seen)
				continue
			}
			seen.staple, _ = staples.StampOf(a.staplePath(k)) // unreadable counts as missing
			if snippet := a.snippetPath(k); snippet != "" {
				seen.snippet, _ = snippets.StampOf(snippet)
			}
			s.files = append(s.files, seen)
		}
		if first {
			a.sweep(s.files) // before anything new is written
		}
		select {
		case a.scans <- s:
		case <-ctx.Done():
		}
	})
}

// onScan looks closer at what has changed since it was last read.
func (a *Agent) onScan(ctx context.Context, s scan) {
	a.scanning, a.scanned = false, true
	a.sayProblems(s.problems)
	a.looks++
	var looks []look
	for _, f := range s.files {
		t := a.targets[f.key]
		if t != nil && t.seen == a.looks {
			continue // two sources of one group name it
		}
		if a.differs(t, f) {
			before := len(looks)
			if looks = a.want(looks, f.key, f.stamp); len(looks) > before && a.lacksIssuerOnly(t, f) {
				looks[before].lone, looks[before].around = true, t.around
			}
		}
		a.targets[f.key].seen = a.looks
	}
	for _, t := range a.targets {
		if t.seen == a.looks || hidden(t.key.path, s.problems) {
			continue
		}
		switch now, there := a.find(t.key); {
		case !there:
			a.forget(t)
		case now != t.stamp:
			looks = a.want(looks, t.key, now)
		}
	}
	a.observe(ctx, looks)
}

// find looks for a file that a full look has not seen. It may be there: a
// listing of a directory may pass over what is replaced at that moment.
func (a *Agent) find(k targetKey) (now watcher.Stamp, there bool) {
	files := a.watch.Look(k.path)
	i := slices.IndexFunc(files, func(f watcher.File) bool { return a.groupOf[f.Source] == k.group })
	if i < 0 {
		return watcher.Stamp{}, false
	}
	return files[i].Stamp, true
}

// hidden reports whether a file that was not found may be there all the same:
// the look at it, or at a directory above it, failed.
func hidden(path string, problems []error) bool {
	for _, err := range problems {
		e, ok := errors.AsType[*watcher.SourceError](err)
		if !ok {
			return true // the look was cut short
		}
		below := strings.HasPrefix(path, strings.TrimSuffix(e.Path, "/")+"/")
		if !errors.Is(err, fs.ErrNotExist) && (path == e.Path || below || strings.ContainsAny(e.Path, "*?[{")) {
			return true
		}
	}
	return false
}

// sweep removes, once, the temporary files that a killed process has left.
func (a *Agent) sweep(files []sighting) {
	if a.o.LookOnly || a.o.DryRun {
		return
	}
	dirs := make(map[string]bool)
	for _, f := range files {
		dirs[filepath.Dir(a.staplePath(f.key))] = true
		if snippet := a.snippetPath(f.key); snippet != "" {
			dirs[filepath.Dir(snippet)] = true
		}
	}
	for dir := range dirs {
		if err := writer.Sweep(dir); err != nil {
			a.log.Debug("leftovers cannot be removed", "err", err)
		}
	}
}

// differs reports whether a closer look at a file could find anything new.
func (a *Agent) differs(t *target, f sighting) bool {
	switch {
	case t == nil, t.stamp != f.stamp:
		return true
	case t.trouble == notChain, t.trouble == unreadable && t.hopeless:
		return false
	case t.trouble == conflict:
		return t.disk.stamp != f.staple || t.disk.snippet != f.snippet || a.conflictOf(t) == ""
	case t.sub == nil:
		return true
	}
	return t.disk.stamp != f.staple || t.disk.snippet != f.snippet || t.sub.chain.Issuer == nil || t.unfit != nil
}

// lacksIssuerOnly reports whether nothing differs but that there may be an
// issuer by now: then only the surroundings need a look.
func (a *Agent) lacksIssuerOnly(t *target, f sighting) bool {
	return t != nil && t.sub != nil && t.around != 0 && t.unfit == nil &&
		t.stamp == f.stamp && t.disk.stamp == f.staple && t.disk.snippet == f.snippet
}

// want adds a look at k, unless one is on its way; then another follows it. Now
// is the certificate's stamp if it was just taken, else zero.
func (a *Agent) want(looks []look, k targetKey, now watcher.Stamp) []look {
	t := a.targets[k]
	if t == nil {
		t = &target{key: k, staple: a.staplePath(k), snippet: a.snippetPath(k), trouble: notChain}
		a.targets[k] = t
	}
	if t.looking || t.placing {
		t.again = true
		return looks
	}
	t.looking = true
	l := look{key: k, now: now, staple: t.staple, snippet: t.snippet, text: a.snippetText(t), loader: a.loaders[k.group], checker: a.verifiers[a.o.Groups[k.group].Strict], server: a.o.Groups[k.group].Profile}
	if t.sub != nil {
		l.leaf, l.stamp = t.sub.chain, t.stamp
	}
	return append(looks, l)
}

// sayProblems logs what could not be looked at, once.
func (a *Agent) sayProblems(problems []error) {
	now := make(map[string]string, len(problems))
	for _, err := range problems {
		path := ""
		if e, ok := errors.AsType[*watcher.SourceError](err); ok {
			path = e.Path
		}
		now[path] = err.Error()
		if a.problems[path] == err.Error() {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("certificate not found", "cert", path, "err", err)
		} else {
			a.log.Error("certificates cannot be looked at", "cert", path, "err", err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(a.problems)) {
		if now[path] == "" {
			a.log.Info("certificates can be looked at again", "cert", path)
		}
	}
	a.problems = now
}

func (a *Agent) snippetPath(k targetKey) string {
	if g := &a.o.Groups[k.group]; g.Snippet != "" {
		return StaplePath(g.Snippet, k.path)
	}
	return ""
}

func (a *Agent) snippetText(t *target) []byte {
	if t.snippet == "" {
		return nil
	}
	return []byte(a.o.Groups[t.key.group].SnippetText(t.staple))
}

func (a *Agent) staplePath(k targetKey) string {
	g := &a.o.Groups[k.group]
	template := g.Template
	if template == "" {
		template = g.Profile.Template
	}
	return StaplePath(template, k.path)
}
