package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// demoPatience is how long a step may take. Most take milliseconds, those that
// wait for restaple to ask again by itself a few seconds.
const demoPatience = 20 * time.Second

// demoOptions say how the demo is given.
type demoOptions struct {
	keep     bool
	log      io.Writer     // of the agent; nil: nowhere
	patience time.Duration // with one step
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	var verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole loop at work, with nothing to install",
		Long: `Show everything restaple does, in about a quarter of a minute and with nothing
to install: a throwaway CA with its OCSP responder, a TLS server that reads
staple files when it is told to reload, and restaple itself between them.

The responder says good, revoked, unknown and good again, goes down and comes
back, and a certificate is renewed. Each step is checked, where a client would
see it in a TLS handshake. The exit code is 0 only if every step held.

All of it listens on loopback only and lives in a temporary directory, which is
removed at the end.`,
		Example: `  restaple demo
  restaple demo --keep       # then look with openssl s_client, until Ctrl-C
  restaple demo --verbose    # with restaple's own log`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.patience <= 0 {
				return fmt.Errorf("--patience %v: must be more than nothing", o.patience)
			}
			if verbose {
				o.log = cmd.ErrOrStderr()
			}
			// Who reads what is told may go, as `head` does: its directory is
			// removed all the same.
			signal.Ignore(syscall.SIGPIPE)
			return runDemo(cmd.Context(), cmd.OutOrStdout(), o)
		},
	}
	cmd.Flags().BoolVar(&o.keep, "keep", false, "when all is shown, hold it open for a look of your own until interrupted")
	cmd.Flags().DurationVar(&o.patience, "patience", demoPatience, "how long one step may take")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show restaple's own log on standard error")
	return cmd
}

// brokenStep says that a step did not hold.
type brokenStep struct{ step, expected, seen string }

func (e *brokenStep) Error() string { return fmt.Sprintf("step %q did not hold", e.step) }

// runDemo gives the demo and leaves nothing behind. Whatever goes wrong means
// exit code 1.
func runDemo(ctx context.Context, out io.Writer, o demoOptions) error {
	err := giveDemo(ctx, &narrator{w: out, start: time.Now()}, o)
	switch {
	case errors.Is(err, context.Canceled):
		return &notOK{"demo: interrupted before its end"}
	case err != nil:
		return &notOK{"demo: " + err.Error()}
	}
	return nil
}

func giveDemo(ctx context.Context, say *narrator, o demoOptions) (err error) {
	d, err := newDemo(ctx, say, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	say.line("A CA with its OCSP responder, a TLS server, and restaple between them: all in this process, on")
	say.line("loopback, and in %s, which is removed at the end. Times are since the start.", d.dir)
	for _, chapter := range d.chapters() {
		say.chapter(chapter.title)
		if err := chapter.play(d.ctx); err != nil {
			if broken, ok := errors.AsType[*brokenStep](err); ok {
				say.broken(broken)
			}
			return err
		}
	}
	say.line("")
	say.line("Every step held: %d steps in %.1f s.", say.steps, time.Since(say.start).Seconds())
	if !o.keep {
		say.line("All of it is gone now. With --keep it is held open, and says how to look at a staple with openssl.")
		return nil
	}
	return d.hold(ctx)
}

// hold keeps everything running until ctx is done.
func (d *demo) hold(ctx context.Context) error {
	d.say.line("Held open until Ctrl-C; restaple goes on renewing the staples every few seconds. Look for yourself:")
	d.say.line("  %s", d.lookLine())
	d.say.line("  restaple status %s", d.certs)
	<-d.ctx.Done()
	if ctx.Err() == nil {
		return context.Cause(d.ctx) // it ended by itself
	}
	d.say.line("Ended; %s is removed.", d.dir)
	return nil
}

// lookLine is a command that shows the staple as a client gets it.
func (d *demo) lookLine() string {
	return fmt.Sprintf("openssl s_client -connect %s -servername %s -CAfile %s -status </dev/null",
		d.server.address, d.sites[0].name, d.rootFile())
}
