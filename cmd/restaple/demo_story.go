package main

import (
	"context"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/hooks"
)

// demoChapter is a part of the story that the demo tells.
type demoChapter struct {
	title string
	play  func(context.Context) error
}

func (d *demo) chapters() []demoChapter {
	return []demoChapter{
		{"The stage, without restaple", d.playStage},
		{"restaple starts: from certificate to staple", d.playFirst},
		{"Good, then revoked", d.playRevoked},
		{"Revoked, then unknown", d.playUnknown},
		{"Good again", d.playGoodAgain},
		{"The responder goes down and comes back", d.playOutage},
		{"A certificate is renewed", d.playRenewal},
	}
}

func (d *demo) playStage(ctx context.Context) error {
	now := time.Now()
	d.say.step(now, "PKI made", "root, intermediate, delegated OCSP responder, and in %s:", d.certs)
	for _, s := range d.sites {
		d.say.more("%s.pem (%s)", s.name, s.kind())
	}
	d.say.step(now, "responder up", "%s, its responses are valid for %.0f s", d.responder.url, demoValidity.Seconds())
	d.say.step(now, "TLS server up", "%s, reads staple files on reload only, and checks none", d.server.address)
	for _, s := range d.sites {
		d.say.about(s)
		if err := d.without(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) playFirst(ctx context.Context) error {
	before := time.Now()
	if err := d.runAgent(); err != nil {
		return err
	}
	for _, s := range d.sites {
		d.say.about(s)
		if err := d.found(ctx, s, saidFound, before); err != nil {
			return err
		}
		if err := d.stapled(ctx, s, before); err != nil {
			return err
		}
	}
	return nil
}

// stapled is the way of a good response from the responder to a client.
func (d *demo) stapled(ctx context.Context, s *demoSite, after time.Time) error {
	a, err := d.answered(ctx, s, lab.Good, after)
	if err != nil {
		return err
	}
	if err := d.placed(ctx, s, a); err != nil {
		return err
	}
	if err := d.told(ctx, s, a.at, hooks.Placed); err != nil {
		return err
	}
	return d.proven(ctx, s)
}

func (d *demo) playRevoked(ctx context.Context) error {
	s := d.sites[0]
	now := time.Now()
	if err := d.responder.Revoke(s.issued.Certificate.SerialNumber, "keyCompromise", now); err != nil {
		return err
	}
	d.say.about(s)
	d.say.step(now, "CA revokes it", "restaple renews in about the middle of a staple's life: it asks again %s", d.asksIn(ctx, s))
	if _, err := d.answered(ctx, s, lab.Revoked, now); err != nil {
		return err
	}
	if err := d.withdrawn(ctx, s, "on_revoked: withdraw, which stops vouching; certificate and key are not touched", now); err != nil {
		return err
	}
	if err := d.told(ctx, s, now, hooks.Revoked, hooks.Withdrawn); err != nil {
		return err
	}
	return d.without(ctx, s)
}

func (d *demo) playUnknown(ctx context.Context) error {
	revoked, good := d.sites[0], d.sites[1]
	now := time.Now()
	d.responder.Forget(revoked.issued.Certificate.SerialNumber)
	d.responder.Forget(good.issued.Certificate.SerialNumber)
	d.say.step(now, "CA forgets", "%s and %s", revoked.name, good.name)
	if err := d.refresh(ctx, revoked, good); err != nil {
		return err
	}
	d.say.about(revoked)
	if _, err := d.answered(ctx, revoked, lab.Unknown, now); err != nil {
		return err
	}
	if err := d.notGood(ctx, revoked, "unknown", "on_unknown: keep has nothing to keep, and unknown is not stapled"); err != nil {
		return err
	}
	if err := d.without(ctx, revoked); err != nil {
		return err
	}
	d.say.about(good)
	if _, err := d.answered(ctx, good, lab.Unknown, now); err != nil {
		return err
	}
	if err := d.notGood(ctx, good, "unknown", "on_unknown: keep, the good staple stays until its end"); err != nil {
		return err
	}
	return d.proven(ctx, good)
}

func (d *demo) playGoodAgain(ctx context.Context) error {
	now := time.Now()
	sites := d.sites[:2]
	for _, s := range sites {
		d.responder.Restore(s.issued.Certificate.SerialNumber)
	}
	d.say.step(now, "CA says good", "of %s and %s", sites[0].name, sites[1].name)
	if err := d.refresh(ctx, sites...); err != nil {
		return err
	}
	for _, s := range sites {
		d.say.about(s)
		if err := d.stapled(ctx, s, now); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) playOutage(ctx context.Context) error {
	s := d.sites[2]
	d.say.about(s)
	if err := d.responder.SetFault("reset"); err != nil {
		return err
	}
	d.say.step(time.Now(), "responder down", "it resets every connection; restaple asks again %s", d.asksIn(ctx, s))
	if err := d.notGood(ctx, s, "interrupted", "the staple goes on being served"); err != nil {
		return err
	}
	if err := d.proven(ctx, s); err != nil {
		return err
	}
	now := time.Now()
	if err := d.responder.SetFault(""); err != nil {
		return err
	}
	d.say.step(now, "responder back", "restaple tries again %s", d.asksIn(ctx, s))
	return d.stapled(ctx, s, now)
}
