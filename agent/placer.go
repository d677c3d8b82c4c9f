package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/writer"
)

// maxPlaced is how many placements are a batch: enough to share the cost of a
// sync, few enough for a new certificate not to wait long behind a burst.
const maxPlaced = 512

// placer changes staple files, many at a time: what arrives while one batch is
// being made durable is in the next ones.
type placer struct {
	mu     sync.Mutex
	urgent []placement // of files that hold no good staple
	queue  []placement
	wake   chan struct{}
	out    chan<- []placed
	log    *slog.Logger
}

func newPlacer(out chan<- []placed, log *slog.Logger) *placer {
	return &placer{wake: make(chan struct{}, 1), out: out, log: log}
}

// add queues a placement. It never blocks.
func (p *placer) add(x placement) {
	p.mu.Lock()
	if x.urgent || x.path == "" { // what is only told costs nothing
		p.urgent = append(p.urgent, x)
	} else {
		p.queue = append(p.queue, x)
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// take returns the next batch: what is urgent, then the others.
func (p *placer) take() []placement {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.urgent), maxPlaced)
	m := min(len(p.queue), maxPlaced-n)
	batch := slices.Concat(p.urgent[:n], p.queue[:m])
	p.urgent, p.queue = rest(p.urgent, n), rest(p.queue, m)
	return batch
}

// rest is all after the first n, which are let go of.
func rest(queue []placement, n int) []placement {
	if n == len(queue) {
		return nil
	}
	clear(queue[:n])
	return queue[n:]
}

// run places what is queued until ctx is done. A batch that has begun is
// finished; whoever reads out has to go on until run returns.
func (p *placer) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		}
		p.placeAll(ctx)
	}
}

// placeAll places all that is queued. However slow the disk is, that is one
// burst to the hooks, which wait for its end as long as for any.
func (p *placer) placeAll(ctx context.Context) {
	told := make(map[*hooks.Queue]bool)
	for batch := p.take(); len(batch) > 0 && ctx.Err() == nil; batch = p.take() {
		for i := range batch {
			for _, q := range batch[i].queues {
				if !told[q] {
					told[q] = true
					defer q.Expect()()
				}
			}
		}
		p.out <- p.place(batch)
	}
}

// place makes one batch durable: first the marks that say which hooks will
// have to be told, then the files, then the hooks' queues. A crash at any point
// leaves either nothing, or a mark that makes the next start tell the hook.
//
// A snippet that names a staple is written after it and removed before it, so
// that the server finds all that its configuration names at every moment.
func (r *placer) place(batch []placement) []placed {
	out := make([]placed, len(batch))
	only := telling{log: r.log} // what is told without a file, or with more than one
	var first, second []writer.Job
	var at stampers
	defer at.close()
	for i := range batch {
		p := &out[i]
		p.placement = batch[i]
		if p.path == "" {
			p.changed = true
			only.add(p)
			continue
		}
		if p.touch {
			p.again(&at)
			continue
		}
		still := func() error { return p.still(&at) }
		if p.snippet == "" {
			first = append(first, p.stapleJob(still))
			continue
		}
		only.add(p)
		switch {
		case p.mend:
			second = append(second, p.snippetJob(still))
		case p.staple != nil:
			first = append(first, p.stapleJob(still))
			second = append(second, p.snippetJob(nil))
		default:
			j := p.snippetJob(still)
			j.Remove = true
			first = append(first, j)
			second = append(second, p.stapleJob(still))
		}
	}
	only.promise()
	r.commit(first)
	r.commit(slices.DeleteFunc(second, func(j writer.Job) bool { return j.Tag.(*placed).err != nil }))
	only.onlyChanged()
	only.keep()
	for i := range out {
		if p := &out[i]; p.path != "" && !p.moved && !p.touch {
			if !p.changed && p.err == nil && p.still(&at) != nil {
				continue // the bytes were there already, perhaps for another leaf by now
			}
			// Somebody may have changed the file before this: it is read again
			// when the kernel tells of the write, or if it cannot be looked at.
			p.disk, _ = at.staples.StampOf(p.path)
			if p.snippet != "" {
				p.snip, _ = at.snippets.StampOf(p.snippet)
			}
		}
	}
	return out
}

// stampers look at the files of a batch.
type stampers struct{ certs, staples, snippets watcher.Stamper }

func (s *stampers) close() {
	s.certs.Close()
	s.staples.Close()
	s.snippets.Close()
}

// errMoved says that a change was decided for files that are others by now.
var errMoved = errors.New("the certificate or its staple has changed meanwhile")

// still reports whether the files are those for which p was decided. The staple
// belongs to the leaf that was there when it was asked for; and another process
// may have put a newer one in place, which must neither be replaced by this one
// nor be withdrawn.
func (p *placed) still(at *stampers) error {
	if now, err := at.certs.StampOf(p.key.path); err != nil || now != p.stamp {
		p.moved = true
		return errMoved
	}
	// One that cannot be looked at counts as missing, as it did for the loop.
	if now, _ := at.staples.StampOf(p.path); now != p.was {
		p.moved = true
		return errMoved
	}
	return nil
}

// commit does the jobs, with the promises of those whose file is all there is
// to them.
func (r *placer) commit(jobs []writer.Job) {
	makeFolders(jobs)
	changes := telling{log: r.log}
	writer.CommitAll(jobs, writer.CommitOptions{
		Before: func(changing []writer.Job) error {
			changes = telling{log: r.log} // the last batch's are kept already
			for _, j := range changing {
				if p := j.Tag.(*placed); p.snippet == "" {
					changes.add(p)
				}
			}
			changes.promise()
			return nil
		},
		After: func(results []writer.Result) {
			for _, r := range results {
				if p := r.Tag.(*placed); r.Changed {
					p.changed = true
				}
			}
			changes.onlyChanged()
			changes.keep()
		},
	})
}

// makeFolders makes the directories that a template puts staples into, if they
// are not there. What cannot be made is said when the file is written.
func makeFolders(jobs []writer.Job) {
	seen := make(map[string]bool)
	for _, j := range jobs {
		dir := filepath.Dir(j.Path)
		if j.Remove || seen[dir] || dir == filepath.Dir(j.Tag.(*placed).key.path) {
			continue
		}
		seen[dir] = true
		makeFolder(dir)
	}
}

// makeFolder makes a directory, and those above it, that all may enter like
// those of certificates: servers read staples after they have dropped their
// rights, and the service's umask lets nobody in.
func makeFolder(dir string) {
	if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
		return
	}
	makeFolder(filepath.Dir(dir))
	if os.Mkdir(dir, 0o755) != nil {
		return // somebody else has made it, or writing the file says why not
	}
	if made, err := os.Stat(dir); err == nil {
		_ = os.Chmod(dir, made.Mode()|0o755)
	}
}

// stapleJob is what the writer does with the staple file.
func (p *placed) stapleJob(still func() error) writer.Job {
	j := p.newJob(p.path, still)
	switch {
	case p.staple != nil:
		j.Data = p.staple.DER()
	case p.way == profile.Placeholder:
		j.Data = staple.Placeholder()
	case p.way == profile.Empty:
		j.Data = []byte{}
	default:
		j.Remove = true
	}
	return j
}

// snippetJob writes the snippet.
func (p *placed) snippetJob(still func() error) writer.Job {
	j := p.newJob(p.snippet, still)
	j.Data = p.text
	return j
}

func (p *placed) newJob(path string, still func() error) writer.Job {
	return writer.Job{Path: path, Options: p.write, Tag: p, Still: still, Done: func(changed bool, err error) {
		p.changed = p.changed || changed
		if p.err == nil {
			p.err = err
		}
	}}
}

// telling gathers what each queue is promised and then told.
type telling struct {
	log      *slog.Logger
	of       []*placed
	promises map[*hooks.Queue]*hooks.Promise
}

func (t *telling) add(p *placed) {
	if len(p.queues) > 0 {
		t.of = append(t.of, p)
	}
}

func (t *telling) onlyChanged() {
	t.of = slices.DeleteFunc(t.of, func(p *placed) bool { return !p.changed })
}

func (t *telling) changes() map[*hooks.Queue][]hooks.Change {
	out := make(map[*hooks.Queue][]hooks.Change)
	for _, p := range t.of {
		for _, q := range p.queues {
			out[q] = append(out[q], p.change)
		}
	}
	return out
}

func (t *telling) promise() {
	t.promises = make(map[*hooks.Queue]*hooks.Promise)
	for q, changes := range t.changes() {
		var err error
		if t.promises[q], err = q.Promise(changes); err != nil {
			// No reason to leave a staple to age: the hook is told all the
			// same, unless a crash comes in between.
			t.log.Error("a crash now would leave a hook untold", "hook", q.Name(), "err", err)
		}
	}
}

func (t *telling) keep() {
	changes := t.changes()
	for q, promise := range t.promises {
		promise.Keep(changes[q])
	}
}
