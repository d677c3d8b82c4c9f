package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/admin"
	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/watcher/chain"
)

// answers is how one configuration answers OCSP requests.
type answers struct {
	*answer.Answerer // once the agent is made, whose lanes it uses
	options          answer.Options

	known  <-chan struct{} // closed when it knows all that it answers for
	listen []string
	named  []agent.Ask // who is asked about what the named issuers have issued
}

// newAnswers makes what answers, and has the agent tell it what it looks after.
// It does nothing if nothing is to be listened at.
func (s *system) newAnswers(c *config.Config, fail failer) {
	if len(c.Answer.Listen) == 0 {
		return
	}
	o := answer.Options{
		ForIssuers: c.Answer.For == config.ForIssuers,
		Client:     s.client,
		Asking:     s.options.Asking,
		Schedule:   s.options.Schedule,
		StateDir:   c.StateDir,
		Rate:       c.Answer.Rate,
		Log:        s.log,
	}
	var asks []agent.Ask
	for n, i := range c.Answer.Issuers {
		issuer, err := readIssuer(i.Certificate)
		if err != nil {
			fail.under("issuers[%d]", n)("certificate", err)
			continue
		}
		o.Issuers = append(o.Issuers, answer.Issuer{Issuer: issuer, Responders: i.Responders})
		asks = append(asks, s.options.Asks(i.Responders)...)
	}
	index := agent.NewIndex()
	o.Certificates = index
	s.options.Index = index
	s.answers = &answers{
		options: o, known: index.Known(), named: asks,
		listen: slices.Compact(slices.Sorted(slices.Values(c.Answer.Listen))),
	}
}

// join makes what answers beside an agent, so that a responder's limits hold for
// both together.
func (a *answers) join(with *agent.Agent) {
	if a != nil {
		a.options.Lanes = with.Lanes()
		a.Answerer = answer.New(a.options)
	}
}

// handOver has next answer what comes too late for a.
func (a *answers) handOver(next *answers) {
	if a != nil && next != nil {
		a.HandOver(next.Answerer)
	}
}

// counts is what counts the requests; nil if none are answered.
func (a *answers) counts() func() answer.Counts {
	if a == nil {
		return nil
	}
	return a.Snapshot
}

// asks is who is asked beside those who are about certificates.
func (a *answers) asks() []agent.Ask {
	if a == nil {
		return nil
	}
	return a.named
}

// readIssuer reads the certificate of a CA. If there are several in the file,
// it is the first.
func readIssuer(path string) (*chain.Issuer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	certs, err := chain.Parse(data)
	if len(certs) == 0 {
		return nil, fmt.Errorf("no certificate of a CA in %s: %w", path, err)
	}
	return chain.NewIssuer(certs[0])
}

// desk is where a daemon answers OCSP requests. Its listeners outlive changes
// of the configuration, so that no request is turned away by one.
type desk struct {
	places  map[string]*place
	current atomic.Pointer[answer.Answerer]
}

// place is an open listener.
type place struct {
	listener net.Listener
	stop     context.CancelFunc // nil: not served yet
	served   chan error
}

// ServeHTTP has the answerer of the configuration that is in force answer.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a := d.current.Load(); a != nil {
		a.ServeHTTP(w, r)
		return
	}
	http.Error(w, "not ready", http.StatusServiceUnavailable)
}

// open opens the listeners that a new configuration needs and that are not open
// yet: all of them or, with an error, none.
func (d *desk) open(a *answers) error {
	if d.places == nil {
		d.places = make(map[string]*place)
	}
	if a == nil {
		return nil
	}
	for _, address := range a.listen {
		if d.places[address] != nil {
			continue
		}
		l, err := admin.Listen(address)
		if err != nil {
			d.closeUnserved()
			return &hinted{fmt.Errorf("answer requests: %w", err), "another process may listen there; name a free address with listen"}
		}
		d.places[address] = &place{listener: l}
	}
	return nil
}

// closeUnserved closes what was opened for a configuration that does not come.
func (d *desk) closeUnserved() {
	maps.DeleteFunc(d.places, func(_ string, p *place) bool {
		if p.stop == nil {
			p.listener.Close()
		}
		return p.stop == nil
	})
}

// serve answers as s says, and stops asking responders for it when the returned
// function is called. What the configuration before could answer is answered
// by it until this one knows its certificates.
func (d *desk) serve(s *system) (stop func()) {
	d.leave(s.answers)
	a := s.answers
	if a == nil {
		d.current.Store(nil)
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = a.Run(ctx) }) // it only ends with its context
	if !d.current.CompareAndSwap(nil, a.Answerer) {
		group.Go(func() {
			select {
			case <-a.known:
			case <-ctx.Done():
			}
			d.current.Store(a.Answerer)
		})
	}
	for address, p := range d.places {
		if p.stop == nil {
			d.start(p, s)
			s.log.Info("answering requests", "address", address)
		}
	}
	return func() {
		cancel()
		group.Wait()
	}
}

func (d *desk) start(p *place, s *system) {
	var ctx context.Context
	ctx, p.stop = context.WithCancel(context.Background())
	p.served = make(chan error, 1)
	go func() {
		err := answer.Serve(ctx, p.listener, d, s.log)
		if err != nil {
			s.log.Error("requests are not answered any more", "err", err)
		}
		p.served <- err
	}()
}

// leave closes the listeners that a configuration does not name.
func (d *desk) leave(a *answers) {
	maps.DeleteFunc(d.places, func(address string, p *place) bool {
		if a != nil && slices.Contains(a.listen, address) {
			return false
		}
		p.close()
		return true
	})
}

// close ends all.
func (d *desk) close() { d.leave(nil) }

func (p *place) close() {
	if p.stop == nil {
		p.listener.Close()
		return
	}
	p.stop()
	<-p.served
}
