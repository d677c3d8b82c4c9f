package hooks

import (
	"context"
	"syscall"
)

// SignalOptions describes a signal hook: PIDFile or Process is required.
type SignalOptions struct {
	PIDFile string // holds the process id; with Process set, the process must have that name
	Process string // name of the process
	Signal  syscall.Signal
}

type signal struct{ o SignalOptions }

// NewSignal returns an action that sends a signal.
func NewSignal(o SignalOptions) (Action, error) { return &signal{o}, nil }

func (s *signal) Deliver(ctx context.Context, changes []Change) error { return nil }
