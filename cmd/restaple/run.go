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
			d := &daemon{flags: f, paths: paths, cmd: cmd}
			return d.run(cmd.Context(), hup)
		},
	}
	f.register(cmd)
	return cmd
}

// daemon runs one agent after another: a new one for each configuration.
type daemon struct {
	flags workFlags
	paths []string
	cmd   *cobra.Command
	desk  desk
}

// build makes an agent from the configuration as it is now. It starts nothing.
func (d *daemon) build() (*system, *agent.Agent, error) {
	c, only, err := d.flags.load(d.paths)
	if err != nil {
		return nil, nil, err
	}
	log := newLog(d.cmd.ErrOrStderr(), c.Log)
	if err := prepareState(c, log); err != nil {
		return nil, nil, err
	}
	s, err := assemble(c, only, log)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.start()
	if err == nil {
		err = d.desk.open(s.answers)
	}
	if err != nil {
		s.client.Close()
		return nil, nil, err
	}
	return s, a, nil
}

// run keeps an agent running, and replaces it when hup says so and the new
// configuration is right in all its parts.
func (d *daemon) run(ctx context.Context, hup <-chan os.Signal) error {
	s, a, err := d.build()
	if err != nil {
		return err
	}
	defer d.desk.close()
	for {
		s.log.Info("restaple runs", "version", versionString())
		next, nextAgent, err := d.serve(ctx, s, a, hup)
		if err != nil || next == nil {
			return err
		}
		s, a = next, nextAgent
	}
}

// serve runs one agent until ctx is done or another one is ready to take its
// place.
func (d *daemon) serve(ctx context.Context, s *system, a *agent.Agent, hup <-chan os.Signal) (*system, *agent.Agent, error) {
	defer s.client.Close()
	defer d.desk.serve(s)()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(inner) }()
	for {
		select {
		case err := <-ended:
			if err == nil {
				s.log.Info("restaple ends")
			}
			return nil, nil, err
		case <-hup:
			next, nextAgent, err := d.build()
			if err != nil {
				s.log.Error("configuration not taken, the old one stays in force", "err", err)
				continue
			}
			stop()
			if err := <-ended; err != nil {
				s.log.Warn("old configuration ended", "err", err)
			}
			s.log.Info("configuration taken")
			return next, nextAgent, nil
		}
	}
}
