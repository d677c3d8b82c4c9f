package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/admin"
	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/hooks"
)

// demoDelay gathers changes that come together into one reload. A second, the
// usual delay, is long in a demo.
const demoDelay = 100 * time.Millisecond

// demoAgent is restaple as `restaple run` runs it.
type demoAgent struct {
	agent  *agent.Agent
	log    *demoLog
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // when ended
}

// runAgent starts restaple on the certificates. It is assembled like that of
// `restaple run --allow 127.0.0.0/8`, but its hook stays in this process.
func (d *demo) runAgent() error {
	c := config.Default()
	c.StateDir = filepath.Join(d.dir, "state")
	c.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.Proxy = config.Direct
	c.Schedule = nil // at any time: the responses live for seconds
	set := config.DefaultCertificates()
	set.Paths = []string{d.certs}
	c.Certificates = append(c.Certificates, set)
	log := newDemoLog(d.o.log)
	if err := prepareState(c, slog.New(log)); err != nil {
		return err
	}
	s, err := assemble(c, nil, slog.New(log))
	if err != nil {
		return err
	}
	q, err := hooks.NewQueue(hooks.QueueOptions{
		Name: "reload", Action: d.server, Events: hooks.Events(), Delay: demoDelay,
		Dir: filepath.Join(c.StateDir, "hooks"), Log: slog.New(log).With("hook", "reload"),
	})
	if err != nil {
		return err
	}
	s.options.Groups[0].Hooks = []*hooks.Queue{q}
	a := &demoAgent{log: log, ended: make(chan struct{})}
	if a.agent, err = agent.New(s.options); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(d.ctx)
	a.cancel, d.agent = cancel, a
	d.work.Go(func() {
		defer close(a.ended)
		defer s.client.Close()
		a.err = a.agent.Run(ctx)
		if ctx.Err() == nil {
			d.cancel(fmt.Errorf("restaple ended: %w", a.err))
		}
	})
	return nil
}

// stop ends restaple, as SIGTERM does.
func (a *demoAgent) stop() error {
	a.cancel()
	<-a.ended
	return a.err
}

// certificate asks restaple how a site stands.
func (a *demoAgent) certificate(ctx context.Context, s *demoSite) agent.Certificate {
	for _, c := range a.agent.Certificates(ctx) {
		if c.Path == s.path {
			return c
		}
	}
	return agent.Certificate{}
}

// refresh has restaple ask about sites now, as an operator can tell it to.
func (d *demo) refresh(ctx context.Context, sites ...*demoSite) error {
	const step = "told to ask now"
	by := d.asksIn(ctx, sites[0])
	var paths []string
	for _, s := range sites {
		paths = append(paths, s.path)
	}
	due, err := d.agent.agent.Refresh(ctx, paths)
	if err != nil {
		return err
	}
	if due != len(sites) {
		return &brokenStep{step, fmt.Sprintf("%d certificates to ask about", len(sites)), fmt.Sprint(due)}
	}
	d.say.step(time.Now(), step, "restaple, which by itself would ask about the first %s", by)
	return nil
}

// asksIn says when restaple means to ask about a site.
func (d *demo) asksIn(ctx context.Context, s *demoSite) string {
	at := d.agent.certificate(ctx, s).RefreshAt
	if at.IsZero() {
		return "now"
	}
	in := max(0, time.Until(at))
	if in > time.Minute {
		return "in " + admin.Span(in)
	}
	return fmt.Sprintf("in %.1f s", in.Seconds())
}
