package admin

import (
	"context"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
)

// Source is the part of an agent that is shown. It is an interface because no
// test could bring a real agent into each state there is.
type Source interface {
	Certificates(ctx context.Context) []agent.Certificate
	Problems() []string
	Responders() []responder.LaneState
	Hooks() []hooks.QueueState
	Proofs() []prove.Finding

	// Polling says whether directories are looked at from time to time
	// because the kernel will not watch them, and why.
	Polling() (polling bool, reason string)

	// Tally counts, and shows that the loop is alive.
	Tally(ctx context.Context) (agent.Tally, bool)

	// Rescan has all files looked at, Refresh the responders asked about
	// certificates: those at paths, or all. Refresh returns how many.
	Rescan(ctx context.Context) error
	Refresh(ctx context.Context, paths []string) (int, error)
}

var _ Source = (*agent.Agent)(nil)
