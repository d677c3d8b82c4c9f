package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// killDelay is how long a command that is asked to end may take to do so. It
// is also how long a command that has ended may leave its output open.
const killDelay = 5 * time.Second

// CommandOptions describes a command hook. Args and Log are required.
type CommandOptions struct {
	Name  string       // of the hook, for its environment
	Args  []string     // program and arguments; no shell is involved
	Check []string     // run first, such as nginx -t; if it fails, Args is not run
	Env   []string     // added to restaple's own environment, KEY=VALUE
	Log   *slog.Logger // with the hook's name attached
}

type command struct {
	options   CommandOptions
	killDelay time.Duration
}

// NewCommand returns an action that runs a command. It finds the changes in
// its environment (RESTAPLE_…) and, as a JSON array, on its standard input.
// When it has to be stopped, its whole process group is.
func NewCommand(o CommandOptions) (Action, error) {
	if len(o.Args) == 0 || o.Args[0] == "" || o.Log == nil {
		return nil, errors.New("a command hook needs a command and a log")
	}
	return &command{options: o, killDelay: killDelay}, nil
}

func (c *command) Deliver(ctx context.Context, changes []Change) error {
	if changes == nil {
		changes = []Change{} // null would be a surprise on standard input
	}
	input, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	env := slices.Concat(os.Environ(), c.options.Env, environment(c.options.Name, changes))
	if len(c.options.Check) > 0 {
		if err := c.run(ctx, c.options.Check, env, input); err != nil {
			return fmt.Errorf("check, so the command was not run: %w", err)
		}
	}
	return c.run(ctx, c.options.Args, env, input)
}

func (c *command) run(ctx context.Context, args, env []string, input []byte) error {
	var output tail
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = env
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return signalGroup(cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = c.killDelay
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		// The command has ended, its children may not have.
		signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	}
	said := output.String()
	switch {
	case errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil:
		// It has succeeded and left something in the background.
	case err != nil && ctx.Err() != nil:
		return describe(args[0], context.Cause(ctx), said)
	case err != nil:
		return describe(args[0], err, said)
	}
	if said != "" {
		c.options.Log.Debug("hook's output", "output", said)
	}
	return nil
}

func signalGroup(leader int, sig syscall.Signal) error {
	err := syscall.Kill(-leader, sig)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

func describe(program string, err error, said string) error {
	if said == "" {
		return fmt.Errorf("%s: %w", program, err)
	}
	return fmt.Errorf("%s: %w: %s", program, err, said)
}
