package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

const (
	// demoValidity of the responses, and how much of it has passed when they
	// are given out, make restaple ask again one to four seconds later: it
	// does so at two to two and a half fifths of the validity.
	demoValidity = 30 * time.Second
	demoBackdate = 11 * time.Second

	// demoStep lets every second have its own response.
	demoStep = 100 * time.Millisecond
)

// demo is the stage and everybody on it.
type demo struct {
	o         demoOptions
	say       *narrator
	dir       string // all of it
	certs     string // the part that restaple looks after
	pki       *lab.PKI
	responder *demoResponder
	server    *demoServer
	sites     []*demoSite
	agent     *demoAgent

	ctx    context.Context // done, with the cause, when somebody has left the stage
	cancel context.CancelCauseFunc
	work   sync.WaitGroup
}

// demoSite is a certificate that the server serves, and restaple looks after.
type demoSite struct {
	name       string
	key        lab.KeyType
	mustStaple bool
	path       string // chain and key, as HAProxy wants them: one file is renewed in one step
	issued     *lab.Issued
}

func (s *demoSite) kind() string {
	kind := map[lab.KeyType]string{lab.ECDSA: "ECDSA", lab.RSA: "RSA"}[s.key]
	if s.mustStaple {
		kind += ", must-staple"
	}
	return kind
}

func (s *demoSite) stapleFile() string { return s.path + ".ocsp" }

// newDemo makes the stage: a PKI, its responder and the TLS server.
func newDemo(ctx context.Context, say *narrator, o demoOptions) (_ *demo, err error) {
	d := &demo{o: o, say: say, sites: []*demoSite{
		{name: "ecdsa.demo.test", key: lab.ECDSA},
		{name: "rsa.demo.test", key: lab.RSA},
		{name: "must-staple.demo.test", key: lab.ECDSA, mustStaple: true},
	}}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = os.MkdirTemp("", "restaple-demo-"); err != nil {
		return nil, err
	}
	d.certs = filepath.Join(d.dir, "certs")
	if err := os.Mkdir(d.certs, 0o755); err != nil {
		return nil, err
	}
	if err := d.openResponder(); err != nil {
		return nil, err
	}
	for _, s := range d.sites {
		s.path = filepath.Join(d.certs, s.name+".pem")
		if err := d.issue(s); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(d.rootFile(), d.pki.Root.CertPEM(), 0o644); err != nil {
		return nil, err
	}
	return d, d.openServer()
}

func (d *demo) rootFile() string { return filepath.Join(d.dir, "root.pem") }

// openResponder makes the PKI and starts its responder.
func (d *demo) openResponder() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "http://" + l.Addr().String() + "/"
	if d.pki, err = lab.NewPKI(lab.PKIOptions{Name: "restaple demo", Responders: []string{url}}); err == nil {
		d.responder, err = newDemoResponder(d.pki.Intermediate, url)
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	d.start("responder", func(ctx context.Context) error { return lab.Serve(ctx, l, d.responder) })
	return nil
}

// issue gives a site a new certificate, in the way a careful tool renews one:
// whoever reads the file sees the old or the new one.
func (d *demo) issue(s *demoSite) error {
	issued, err := d.pki.Intermediate.Issue(lab.IssueOptions{
		Names: []string{s.name}, KeyType: s.key, MustStaple: s.mustStaple,
	})
	if err != nil {
		return err
	}
	if err := d.responder.know(issued); err != nil {
		return err
	}
	bundle, err := issued.BundlePEM()
	if err != nil {
		return err
	}
	s.issued = issued
	hidden := filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path))
	if err := os.WriteFile(hidden, bundle, 0o600); err != nil {
		return err
	}
	return os.Rename(hidden, s.path)
}

// start runs somebody until the demo is over. Who ends earlier ends it for all.
func (d *demo) start(who string, run func(context.Context) error) {
	d.work.Go(func() {
		if err := run(d.ctx); d.ctx.Err() == nil {
			d.cancel(fmt.Errorf("%s ended: %w", who, err))
		}
	})
}

// close ends everything and removes every trace.
func (d *demo) close() error {
	var err error
	if d.agent != nil {
		err = d.agent.stop()
	}
	d.cancel(nil)
	d.work.Wait()
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}
