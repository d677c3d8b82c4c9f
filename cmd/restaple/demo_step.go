package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
)

// demoLook is how often a step looks whether it holds.
const demoLook = 5 * time.Millisecond

// await waits until a step holds. Look says so, and what it sees.
func (d *demo) await(ctx context.Context, step, expected string, look func() (seen string, ok bool)) error {
	patience := time.NewTimer(d.o.patience)
	defer patience.Stop()
	tick := time.NewTicker(demoLook)
	defer tick.Stop()
	for {
		seen, ok := look()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-patience.C:
			return &brokenStep{step, expected, seen}
		case <-tick.C:
		}
	}
}

// found is the step in which restaple finds a chain, or finds it renewed.
func (d *demo) found(ctx context.Context, s *demoSite, message string, after time.Time) error {
	const step = "chain found"
	var at time.Time
	err := d.await(ctx, step, "restaple finds "+s.path, func() (string, bool) {
		at = d.agent.log.saidAt(message, s.path)
		return "it has not told of the file", at.After(after)
	})
	if err != nil {
		return err
	}
	c := d.agent.certificate(ctx, s)
	if got, want := c.Serial, lab.SerialText(s.issued.Certificate.SerialNumber); got != want {
		return &brokenStep{step, "serial " + want, "serial " + got}
	}
	d.say.step(at, step, "leaf and issuer, serial %s, responder %s", c.Serial, strings.Join(c.Responders, " "))
	return nil
}

// answered is the steps in which the responder is asked and its answer, which
// has to say what it is told to, is verified.
func (d *demo) answered(ctx context.Context, s *demoSite, says lab.Status, after time.Time) (*demoAnswer, error) {
	const fetched, verified = "response fetched", "verified"
	var a *demoAnswer
	err := d.await(ctx, fetched, fmt.Sprintf("restaple asks about %s and is told %s", s.name, says), func() (string, bool) {
		if a = d.responder.last(s.issued.Certificate.SerialNumber, after); a == nil {
			return "no request", false
		}
		return "it was told " + string(a.says), a.says == says
	})
	if err != nil {
		return nil, err
	}
	d.say.step(a.at, fetched, "by %s, %d octets, which say %s", a.method, len(a.der), a.says)
	switch expected := "a response for this certificate, signed by the delegated responder"; {
	case a.err != nil:
		return nil, &brokenStep{verified, expected, a.err.Error()}
	case !a.staple.Delegated || string(a.staple.Status) != string(says):
		return nil, &brokenStep{verified, expected, fmt.Sprintf("status %s, signed by %s", a.staple.Status, a.staple.Signer)}
	}
	what := "valid until " + clock(a.staple.NextUpdate)
	if a.staple.Status == staple.Revoked {
		what = fmt.Sprintf("revoked at %s, %s", clock(a.staple.RevokedAt), a.staple.RevocationReason)
	}
	d.say.step(a.verified, verified, "signed by the delegated responder, for this very certificate, %s", what)
	return a, nil
}

// placed is the step in which the staple file gets the bytes of an answer.
func (d *demo) placed(ctx context.Context, s *demoSite, a *demoAnswer) error {
	const step = "file placed"
	var at time.Time
	err := d.await(ctx, step, fmt.Sprintf("the response's %d octets in %s", len(a.der), s.stapleFile()), func() (string, bool) {
		at = d.agent.log.saidAt(saidPlaced, s.path)
		der, err := os.ReadFile(s.stapleFile())
		switch {
		case err != nil:
			return err.Error(), false
		case !d.responder.gave(der, a.at): // the next one may be there already
			return fmt.Sprintf("%d other octets", len(der)), false
		}
		return "restaple does not tell of it", at.After(a.at)
	})
	if err == nil {
		d.say.step(at, step, "%s", filepath.Base(s.stapleFile()))
	}
	return err
}

// withdrawn is the step in which the staple file goes.
func (d *demo) withdrawn(ctx context.Context, s *demoSite, policy string, after time.Time) error {
	const step = "staple withdrawn"
	var at time.Time
	err := d.await(ctx, step, "no file "+s.stapleFile(), func() (string, bool) {
		at = d.agent.log.saidAt(saidWithdrawn, s.path)
		_, err := os.Stat(s.stapleFile())
		return "it is still there", errors.Is(err, fs.ErrNotExist) && at.After(after)
	})
	if err == nil {
		d.say.step(at, step, "%s", policy)
	}
	return err
}

// told is the step in which the server's reload hook is told of events.
func (d *demo) told(ctx context.Context, s *demoSite, after time.Time, events ...hooks.Event) error {
	const step = "hook told"
	var r *demoReload
	var told []string
	for _, event := range events {
		err := d.await(ctx, step, fmt.Sprintf("the hook is told that the staple of %s is %s", s.name, event), func() (string, bool) {
			r = d.server.told(s, event, after)
			return "it was not", r != nil
		})
		if err != nil {
			return err
		}
		told = append(told, string(event))
	}
	also := ""
	if n := len(r.changes) - len(events); n > 0 {
		also = fmt.Sprintf(" (one reload for %d changes)", len(r.changes))
	}
	d.say.step(r.at, step, "%s; the server reads its files again%s", strings.Join(told, ", "), also)
	return nil
}

// notGood is the step in which restaple has an answer, or none, that is no new
// staple.
func (d *demo) notGood(ctx context.Context, s *demoSite, reason, policy string) error {
	const step = "no new staple"
	var c agent.Certificate
	err := d.await(ctx, step, "restaple gives the reason "+reason, func() (string, bool) {
		c = d.agent.certificate(ctx, s)
		return fmt.Sprintf("state %s, reason %q", c.State, c.Reason), c.Reason == reason
	})
	if err == nil {
		d.say.step(c.ErrorAt, step, "reason %s: %s", c.Reason, policy)
	}
	return err
}
