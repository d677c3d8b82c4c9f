package hooks

import (
	"fmt"
	"slices"
	"time"
)

// Promise is a delivery that is due if the process is killed from now on.
type Promise struct {
	queue *Queue
	mark  *mark // nil if there was nothing to promise, or no place for it
}

// Promise leaves a mark on disk that the hook is due. It is called before the
// files change; whatever becomes of the process then, the hook is told.
// Changes the hook does not listen to are left out.
//
// An error says that the mark could not be written. The promise is then kept
// too, as long as the process lives.
func (q *Queue) Promise(changes []Change) (*Promise, error) {
	p := &Promise{queue: q}
	changes = q.heard(changes)
	if len(changes) == 0 || q.dir == "" {
		return p, nil
	}
	m, err := newMark(q.dir, changes)
	if err != nil {
		return p, fmt.Errorf("hook %s: note that it is due: %w", q.options.Name, err)
	}
	p.mark = m
	q.mu.Lock()
	q.own[m.file.Name()] = true
	q.mu.Unlock()
	return p, nil
}

// Keep says which of the promised changes have happened, so that the hook is
// told of them. It is called once. If there are none, the mark goes.
func (p *Promise) Keep(changes []Change) {
	q := p.queue
	changes = q.heard(changes)
	if len(changes) == 0 {
		if p.mark != nil {
			q.drop([]*mark{p.mark})
		}
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		if p.mark != nil {
			p.mark.release()
		}
		return
	}
	q.backlog.add(p.mark, changes, time.Now())
	q.stir()
}

// Expect says that more changes may follow at once, as long as writing them may
// take. A delivery waits for them until done is called, but for no longer than
// changes without a pause can put it off.
func (q *Queue) Expect() (done func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expected++
	q.stir()
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.expected--
		q.stir()
	}
}

// stir has Run look when the backlog is due now.
func (q *Queue) stir() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Hears reports whether the hook is told of such events.
func (q *Queue) Hears(e Event) bool { return slices.Contains(q.options.Events, e) }

func (q *Queue) heard(changes []Change) []Change {
	var heard []Change
	for _, c := range changes {
		if q.Hears(c.Event) {
			// In another zone the last nextUpdate there is, in 9999, can fall
			// into a year that has no JSON.
			c.ThisUpdate, c.NextUpdate = c.ThisUpdate.UTC(), c.NextUpdate.UTC()
			heard = append(heard, c)
		}
	}
	return heard
}
