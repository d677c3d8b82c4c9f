package main

import (
	"context"
	"log/slog"
	"net"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/admin"
	"github.com/restaple/restaple/agent/config"
)

// door is the admin listener of a daemon. It outlives agents, so that nothing
// that was counted is lost when a configuration is taken; it is opened, moved
// and shut as configurations say.
type door struct {
	metrics *admin.Metrics
	server  *admin.Server
	address string // that is listened at; "": none
	shut    func() // ends that, and waits for the end
}

func newDoor(log *slog.Logger) *door {
	m := admin.NewMetrics(versionString())
	return &door{
		metrics: m,
		server:  admin.New(admin.Options{Metrics: m, Version: versionString(), Log: log}),
		shut:    func() {},
	}
}

// opening is the door as a configuration wants it, before that is in force.
type opening struct {
	config.Admin
	listener net.Listener // nil: there is none, or it is listened at already
}

// open opens the listener that c names, beside the one there is. The caller
// has to shut it unless it goes to show.
func (d *door) open(c config.Admin) (*opening, error) {
	o := &opening{Admin: c}
	if c.Listen == "" || c.Listen == d.address {
		return o, nil
	}
	var err error
	o.listener, err = admin.Listen(c.Listen)
	return o, err
}

// shut undoes open: the configuration is wrong in another respect.
func (o *opening) shut() {
	if o.listener != nil {
		o.listener.Close()
	}
}

// attach has counted what the agent and the hooks of s do.
func (d *door) attach(s *system) {
	s.ran = d.metrics.HookRan
	o := &s.options
	o.Asked, o.Changed = d.metrics.Asked, d.metrics.Changed
	ready := o.Ready
	o.Ready = func() {
		d.server.Ready()
		if ready != nil {
			ready()
		}
	}
}

// show shows a from now on, at o, until ctx is done or the door moves.
func (d *door) show(ctx context.Context, a *agent.Agent, o *opening, log *slog.Logger) {
	d.server.SetSource(a, o.PerCertificateSeries)
	if o.Listen == d.address {
		return
	}
	d.shut()
	d.address, d.shut = o.Listen, func() {}
	if o.listener == nil {
		return
	}
	log.Info("status and metrics", "listen", o.Listen)
	serving, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.server.Serve(serving, o.listener); err != nil {
			log.Error("admin listener ended", "err", err)
		}
	}()
	d.shut = func() {
		stop()
		<-ended
	}
}

// close shuts the door and waits until nobody is served any more.
func (d *door) close() { d.shut() }
