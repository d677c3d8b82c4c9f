package agent

import (
	"context"
	"sync"

	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/writer"
)

// placer changes staple files, many at a time: what arrives while one batch is
// being made durable is the next batch.
type placer struct {
	mu    sync.Mutex
	queue []placement
	wake  chan struct{}
	out   chan<- []placed
}

func newPlacer(out chan<- []placed) *placer {
	return &placer{wake: make(chan struct{}, 1), out: out}
}

// add queues a placement. It never blocks.
func (p *placer) add(x placement) {
	p.mu.Lock()
	p.queue = append(p.queue, x)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
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
		p.mu.Lock()
		batch := p.queue
		p.queue = nil
		p.mu.Unlock()
		if len(batch) > 0 {
			p.out <- place(batch)
		}
	}
}

// place makes one batch durable: first the marks that say which hooks will
// have to be told, then the files, then the hooks' queues. A crash at any point
// leaves either nothing, or a mark that makes the next start tell the hook.
func place(batch []placement) []placed {
	out := make([]placed, len(batch))
	jobs := make([]writer.Job, 0, len(batch))
	var only telling // announcements without a file
	for i := range batch {
		p := &out[i]
		p.placement = batch[i]
		if p.path == "" {
			only.add(p)
			continue
		}
		j, err := p.job()
		if err != nil {
			p.moved = true
			continue
		}
		j.Tag = p
		j.Done = func(changed bool, err error) { p.changed, p.err = changed, err }
		jobs = append(jobs, j)
	}
	only.promise()
	only.keep()
	var changes telling
	writer.CommitAll(jobs, writer.CommitOptions{
		Before: func(changing []writer.Job) error {
			for _, j := range changing {
				changes.add(j.Tag.(*placed))
			}
			changes.promise()
			return nil
		},
		After: func(results []writer.Result) {
			changes.clear()
			for _, r := range results {
				if r.Changed {
					changes.add(r.Tag.(*placed))
				}
			}
			changes.keep()
		},
	})
	for i := range out {
		if p := &out[i]; p.path != "" && !p.moved {
			p.disk, _ = watcher.StampOf(p.path) // read again if it cannot be looked at now
		}
	}
	return out
}

// telling gathers what each queue is promised and then told.
type telling struct {
	changes  map[*hooks.Queue][]hooks.Change
	promises map[*hooks.Queue]*hooks.Promise
}

func (t *telling) add(p *placed) {
	if t.changes == nil {
		t.changes = make(map[*hooks.Queue][]hooks.Change)
	}
	for _, q := range p.queues {
		t.changes[q] = append(t.changes[q], p.change)
	}
}

func (t *telling) clear() { t.changes = nil }

func (t *telling) promise() {
	t.promises = make(map[*hooks.Queue]*hooks.Promise, len(t.changes))
	for q, changes := range t.changes {
		// An error says that the mark could not be written. The hook is told
		// all the same, unless a crash comes in between: that is no reason
		// to leave a staple to age.
		t.promises[q], _ = q.Promise(changes)
	}
}

func (t *telling) keep() {
	for q, promise := range t.promises {
		promise.Keep(t.changes[q])
	}
}
