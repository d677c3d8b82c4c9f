package hooks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute

	// manyMarks is how many marks may pile up while a hook fails.
	manyMarks = 8

	// manyFailures in a row, about a minute, are a person's business.
	manyFailures = 6
)

// deliver is attempt for Run: it lets a delivery that has begun come to an
// end when ctx is done, but not for long.
func (q *Queue) deliver(ctx context.Context) {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stopped := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(stopGrace):
			cancel(errors.New("restaple was told to stop"))
		case <-inner.Done():
		}
	})
	defer stopped()
	q.attempt(inner)
}

// attempt delivers the backlog once. It puts it back if that fails.
func (q *Queue) attempt(ctx context.Context) error {
	q.turn.Lock()
	defer q.turn.Unlock()

	q.mu.Lock()
	b := q.backlog
	q.backlog = backlog{}
	q.inFlight = len(b.changes)
	q.mu.Unlock()
	if b.empty() {
		return nil
	}

	ctx, cancel := context.WithTimeoutCause(ctx, q.options.Timeout,
		fmt.Errorf("it took longer than %v", q.options.Timeout))
	defer cancel()
	start := time.Now()
	err := q.options.Action.Deliver(ctx, b.changes)
	took := time.Since(start)
	switch {
	case errors.Is(err, errNobody):
		q.nobody(&b)
		return nil
	case err == nil:
		q.succeeded(&b)
	default:
		err = fmt.Errorf("hook %s: %w", q.options.Name, err)
		q.failed(b, err)
	}
	if q.options.Result != nil {
		q.options.Result(err, took)
	}
	return err
}

// nobody lets go of changes of which nobody had to be told.
func (q *Queue) nobody(b *backlog) {
	q.drop(b.marks)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inFlight = 0
	q.state = QueueState{Name: q.options.Name, DeliveredAt: q.state.DeliveredAt}
}

func (q *Queue) succeeded(b *backlog) {
	q.drop(b.marks)
	now := time.Now()
	q.mu.Lock()
	q.inFlight = 0
	q.state = QueueState{Name: q.options.Name, TriedAt: now, DeliveredAt: now}
	q.mu.Unlock()
	q.log.Info("hook told of changes", "changes", len(b.changes))
}

func (q *Queue) failed(b backlog, err error) {
	q.compact(&b)
	q.mu.Lock()
	q.inFlight = 0
	q.backlog.before(b)
	s := &q.state
	again := s.Err != nil && s.Err.Error() == err.Error()
	s.Attempts++
	s.Err = err
	s.TriedAt = time.Now()
	retry := retryIn(s.Attempts, rand.Float64())
	s.RetryAt = s.TriedAt.Add(retry)
	attempts := s.Attempts
	q.mu.Unlock()

	log := q.log.With("err", err, "attempt", attempts, "retry_in", retry)
	switch {
	case attempts == manyFailures:
		log.Error("hook keeps failing; the server may not know its newest staples")
	case again:
		log.Debug("hook failed again")
	default:
		log.Warn("hook failed")
	}
}

// retryIn says how long to wait after the given number of failures in a row.
// chance, between 0 and 1, spreads hooks that fail for the same reason.
func retryIn(failures int, chance float64) time.Duration {
	wait := lastRetry
	if shift := failures - 1; shift < 16 {
		wait = min(firstRetry<<shift, lastRetry)
	}
	return wait + time.Duration(chance*float64(wait)/10)
}

// compact puts one mark in the place of many, or a hook that fails for weeks
// would fill the disk. If that is not possible, the many do.
func (q *Queue) compact(b *backlog) {
	if len(b.marks) < manyMarks {
		return
	}
	m, err := newMark(q.dir, b.changes)
	if err != nil {
		return
	}
	q.mu.Lock()
	q.own[m.file.Name()] = true
	q.mu.Unlock()
	q.drop(b.marks)
	b.marks = []*mark{m}
}
