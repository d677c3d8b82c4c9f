package watcher

import "context"

// Run is a placeholder until the next commit.
func (w *Watcher) Run(ctx context.Context, changes chan<- Change) error {
	<-ctx.Done()
	return nil
}
