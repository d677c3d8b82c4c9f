package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"time"
)

// playRenewal follows a renewal, while clients come and go all the time. It
// comes right after a refresh of the same staple, so that no other reload is
// under way: a server that reloads in between reads whatever is there.
func (d *demo) playRenewal(ctx context.Context) error {
	s := d.sites[2]
	d.say.about(s)
	old := s.issued.Certificate
	c := d.visitOnce(ctx, s.name, old) // at least one gets the old certificate
	stop := make(chan struct{})
	rest := make(chan crowd, 1)
	d.work.Go(func() { rest <- d.visit(ctx, s.name, old, stop) })
	err := d.renew(ctx, s)
	close(stop)
	c.add(<-rest)
	if err != nil {
		return err
	}
	const step = "no mismatch"
	saw := fmt.Sprintf("%d with the old certificate and its staple, %d with the new one and its own, %d without a staple",
		c.before, c.after, c.bare)
	if c.wrong != "" || c.before == 0 || c.after == 0 {
		return &brokenStep{step, "old certificate with old staple, then new with new", saw + "; " + c.wrong}
	}
	d.say.step(time.Now(), step, "%d handshakes meanwhile: %s", c.before+c.after+c.bare, saw)
	return nil
}

// renew replaces the certificate and follows it to a client.
func (d *demo) renew(ctx context.Context, s *demoSite) error {
	now := time.Now()
	if err := d.issue(s); err != nil {
		return err
	}
	d.say.step(now, "renewed", "a new certificate and key replace the old ones in %s.pem", s.name)
	if err := d.found(ctx, s, saidRenewed, now); err != nil {
		return err
	}
	return d.stapled(ctx, s, now)
}

// crowd is what many clients got.
type crowd struct {
	before, after int // the old certificate and the new one, each with a staple of its own
	bare          int
	wrong         string // anything else
}

// visit makes one handshake after the other until told to stop, and one after
// that.
func (d *demo) visit(ctx context.Context, name string, old *x509.Certificate, stop <-chan struct{}) crowd {
	var c crowd
	for last := false; ; {
		c.add(d.visitOnce(ctx, name, old))
		if last || c.wrong != "" {
			return c
		}
		select {
		case <-stop:
			last = true
		case <-ctx.Done():
			return c
		case <-time.After(demoLook):
		}
	}
}

func (c *crowd) add(o crowd) {
	c.before += o.before
	c.after += o.after
	c.bare += o.bare
	c.wrong = cmp.Or(c.wrong, o.wrong)
}

func (d *demo) visitOnce(ctx context.Context, name string, old *x509.Certificate) crowd {
	state, err := d.handshake(ctx, name)
	if err != nil {
		return crowd{wrong: err.Error()}
	}
	if len(state.OCSPResponse) == 0 {
		return crowd{bare: 1}
	}
	if _, err := verifyHandshake(state); err != nil {
		return crowd{wrong: "a staple that is none for its certificate: " + err.Error()}
	}
	if bytes.Equal(state.PeerCertificates[0].Raw, old.Raw) {
		return crowd{before: 1}
	}
	return crowd{after: 1}
}
