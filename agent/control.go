package agent

import (
	"context"
	"errors"
	"slices"
)

// errEnded says that an agent which has ended was told to do something.
var errEnded = errors.New("the agent has ended")

// Polling says whether directories are looked at from time to time because the
// kernel will not watch them, and why.
func (a *Agent) Polling() (polling bool, reason string) { return a.watch.Polling() }

// Rescan has the running loop look at all files now. It returns once the loop
// has taken note.
func (a *Agent) Rescan(ctx context.Context) error {
	return a.tell(ctx, func() {
		a.log.Info("looking at all files on request")
		a.rescan = true
	})
}

// Refresh has the running loop ask about the certificates at paths, or about
// all, although nothing is due. It returns how many that are once the loop has
// taken note; those that nobody can be asked about are not counted.
func (a *Agent) Refresh(ctx context.Context, paths []string) (due int, err error) {
	err = a.tell(ctx, func() {
		now := wall()
		for _, s := range a.subjects {
			leaf := s.chain.Leaf
			if len(s.urls) == 0 || s.chain.Issuer == nil || now.Before(leaf.NotBefore) || !now.Before(leaf.NotAfter) {
				continue
			}
			named := len(s.targets)
			if len(paths) > 0 {
				named = 0
				for _, t := range s.targets {
					if slices.Contains(paths, t.key.path) {
						named++
					}
				}
			}
			if named == 0 {
				continue
			}
			due += named
			s.force = true
			s.At = now
			a.due.Set(s)
		}
		a.log.Info("asking the responders on request")
	})
	return due, err
}

// tell runs f on the loop's goroutine, which then looks at what it changed.
func (a *Agent) tell(ctx context.Context, f func()) error {
	err := context.Canceled
	a.onLoop(ctx, func() {
		select {
		case <-a.ended:
			err = errEnded
		default:
			f()
			err = nil
		}
	})
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	return err
}
