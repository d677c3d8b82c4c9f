package hooks

import (
	"context"
	"log/slog"
)

// CommandOptions describes a command hook. Args and Log are required.
type CommandOptions struct {
	Name  string   // of the hook, for its environment
	Args  []string // program and arguments; no shell is involved
	Check []string // run first; if it fails, Args is not run
	Env   []string // added to restaple's own environment
	Log   *slog.Logger
}

type command struct{ o CommandOptions }

// NewCommand returns an action that runs a command.
func NewCommand(o CommandOptions) (Action, error) { return &command{o}, nil }

func (c *command) Deliver(ctx context.Context, changes []Change) error { return nil }
