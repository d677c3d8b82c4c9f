package writer

import (
	"context"
	"sync"
)

// Committer does jobs in batches: those that arrive while one batch is on its
// way to the disk form the next.
type Committer struct {
	options CommitOptions
	wake    chan struct{} // holds one token: there may be jobs

	mu   sync.Mutex
	jobs []Job
}

// NewCommitter returns a committer; Run does the work.
func NewCommitter(o CommitOptions) *Committer {
	return &Committer{options: o, wake: make(chan struct{}, 1)}
}

// Submit hands over a job and never blocks. Run does it and calls its Done;
// after Run has returned nobody does.
func (c *Committer) Submit(j Job) {
	c.mu.Lock()
	c.jobs = append(c.jobs, j)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run does jobs until ctx is done, and then those that were submitted before.
func (c *Committer) Run(ctx context.Context) error {
	for {
		select {
		case <-c.wake:
			c.commit()
		case <-ctx.Done():
			c.commit()
			return nil
		}
	}
}

func (c *Committer) commit() {
	for {
		c.mu.Lock()
		jobs := c.jobs
		c.jobs = nil
		c.mu.Unlock()
		if len(jobs) == 0 {
			return
		}
		CommitAll(jobs, c.options)
	}
}
