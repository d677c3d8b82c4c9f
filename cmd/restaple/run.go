package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent"
)

func newRunCommand() *cobra.Command {
	var f workFlags
	cmd := &cobra.Command{
		Use:   "run [flags] [PATH...]",
		Short: "Keep staples fresh until told to stop",
		Long: `Watch the certificates, keep their staples fresh and tell the server, until
told to stop by SIGTERM or SIGINT. SIGHUP reads the configuration again: if
anything in it is wrong, all of it is said and the old one stays in force.`,
		Example: `  restaple run /etc/haproxy/certs
  restaple run --server nginx --hook 'nginx -s reload' '/etc/nginx/tls/**/*.pem'
  restaple run --config /etc/restaple/restaple.yaml`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			d := &daemon{flags: f, paths: paths, cmd: cmd, notifier: newNotifier()}
			return d.run(cmd.Context(), hup)
		},
	}
	f.register(cmd)
	return cmd
}

// daemon runs one agent after another: a new one for each configuration. What
// outlives agents is beside them: the admin listener with its counters, the
// listeners for OCSP requests, and what systemd is told.
type daemon struct {
	flags    workFlags
	paths    []string
	cmd      *cobra.Command
	desk     desk
	door     *door
	notifier *notifier
}

// shift is an agent with all that runs beside it for as long as its
// configuration is in force.
type shift struct {
	*system
	agent   *agent.Agent
	opening *opening
}

// build makes an agent from the configuration as it is now. It starts nothing.
func (d *daemon) build() (*shift, error) {
	c, only, err := d.flags.load(d.paths)
	if err != nil {
		return nil, err
	}
	log := newLog(d.cmd.ErrOrStderr(), c.Log)
	if err := prepareState(c, log); err != nil {
		return nil, err
	}
	s, err := assemble(c, only, log)
	if err != nil {
		return nil, err
	}
	if d.door == nil {
		d.door = newDoor(log)
	}
	s.options.Progress, s.options.ProgressEvery = logProgress(log), logEvery // until it is ready
	d.notifier.attach(&s.options)
	d.door.attach(s)
	next := &shift{system: s}
	if next.opening, err = d.door.open(c.Admin); err != nil {
		s.client.Close()
		return nil, err
	}
	if next.agent, err = s.start(); err != nil {
		next.opening.shut()
		s.client.Close()
		return nil, err
	}
	if err = d.desk.open(s.answers); err != nil {
		next.agent.Close()
		next.opening.shut()
		s.client.Close()
		return nil, err
	}
	return next, nil
}

// run keeps an agent running, and replaces it when hup says so and the new
// configuration is right in all its parts.
func (d *daemon) run(ctx context.Context, hup <-chan os.Signal) error {
	now, err := d.build()
	if err != nil {
		return err
	}
	d.door.metrics.ConfigTaken(nil)
	defer d.desk.close()
	defer d.door.close()
	for now != nil && err == nil {
		now.log.Info("restaple runs", "version", versionString())
		now, err = d.serve(ctx, now, hup)
	}
	return err
}

// serve runs one agent until ctx is done or another one is ready to take its
// place.
func (d *daemon) serve(ctx context.Context, now *shift, hup <-chan os.Signal) (*shift, error) {
	defer now.client.Close()
	defer d.desk.serve(now.system)()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	d.door.show(ctx, now.agent, now.opening, now.log)
	d.door.server.SetAnswers(now.answers.counts(), now.answers.asks()...)
	defer d.notifier.follow(inner, now.agent)()
	ended := make(chan error, 1)
	go func() { ended <- now.agent.Run(inner) }()
	for {
		select {
		case err := <-ended:
			if err == nil {
				now.log.Info("restaple ends")
			}
			return nil, err
		case <-hup:
			d.notifier.reloading()
			next, err := d.build()
			d.door.metrics.ConfigTaken(err)
			d.notifier.reloaded()
			if err != nil {
				now.log.Error("configuration not taken, the old one stays in force", "err", err)
				continue
			}
			now.answers.handOver(next.answers)
			stop()
			if err := <-ended; err != nil {
				now.log.Warn("old configuration ended", "err", err)
			}
			now.log.Info("configuration taken")
			return next, nil
		}
	}
}
