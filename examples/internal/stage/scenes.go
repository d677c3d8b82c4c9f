package stage

import (
	"bytes"
	"errors"
	"strings"
	"time"
)

// late: the responder has not answered yet when the server starts.
func (p *play) late() {
	p.prepare(p.Short)
	p.Down()
	p.boot(1)
	watches := p.watch()
	p.see(p.Missing, time.Time{})
	p.Up()
	p.Agent()
	p.see(Good, time.Time{})
	p.end(watches)
}

// refreshed: the staple is served; the newer one is, too, as soon as restaple
// has it; and it is still there when the server has been restarted while the
// responder was down.
func (p *play) refreshed() {
	p.begin(p.Short)
	watches := p.watch()
	first := p.see(Good, time.Time{})
	p.check()
	held := p.hold()
	p.Agent()
	p.see(Good, first)
	p.release(held)
	for i := range p.Certificates {
		p.judge(i)
	}
	p.end(watches)
	p.Down()
	p.restart()
	p.see(Good, first)
}

// lasting responses have no refresh within a scene.
var lasting = Window{Validity: time.Hour}

// renewed: a certificate that is renewed gets its own staple, by the agent or
// by the deploy hook, with the responder or without.
func (p *play) renewed() {
	// No refresh: a server that is told to reload just when a certificate is
	// deployed takes the new one with the staple of the old one.
	p.begin(lasting)
	watches := p.watch()
	if !p.Restarts {
		agent := p.Agent()
		p.see(Good, time.Time{})
		p.deploy(lasting)
		p.reload(true)
		p.see(Good, time.Time{})
		if err := agent.Stop(); err != nil {
			p.T.Errorf("restaple run: %v", err)
		}
		<-time.After(p.Lag) // it may have been told twice
	}
	p.renew(0)
	p.see(Good, time.Time{})
	p.Down()
	p.renew(1)
	p.see(p.Missing, time.Time{})
	p.end(watches)
}

// renewedAlone: nobody has taken the staple of the earlier certificate away.
func (p *play) renewedAlone() {
	p.begin(p.Short)
	first := p.see(Good, time.Time{})
	<-time.After(time.Until(first.Add(p.Short.Age + 3*time.Second))) // servers may compare times in seconds
	p.deploy(p.Short)
	p.reload(false)
	p.see(p.Missing, time.Time{})
	p.Refresh(0)
	p.see(Good, first)
}

// renew does what a deploy hook does. The code is what `restaple refresh` has
// to end with.
func (p *play) renew(code int) {
	p.T.Helper()
	if p.Restarts {
		_ = p.server.Stop() // how it takes SIGTERM is its own affair
	}
	p.deploy(lasting)
	var paths []string
	for _, c := range p.Certificates {
		paths = append(paths, p.Seen(c.Chain))
	}
	p.Refresh(code, paths...)
	if p.Restarts {
		p.serve()
	}
	p.reload(code == 0)
}

// reload has the server load what was deployed, unless a hook has.
func (p *play) reload(placed bool) {
	if p.Reload != nil && !(placed && p.HookReloads) {
		p.Reload(p.Stage, p.server)
	}
}

// restart stops the server and starts it again.
func (p *play) restart() {
	p.T.Helper()
	_ = p.server.Stop()
	p.serve()
}

// revoked: the responder says that the certificates are revoked.
func (p *play) revoked() {
	w := p.Short
	if p.RevokedAtEnd {
		w = p.Ending
	}
	p.begin(w)
	watches := p.watch()
	p.see(Good, time.Time{})
	for _, issued := range p.issued {
		p.Revoke(issued)
	}
	p.Agent()
	p.until("restaple status says revoked", func() error {
		if said, _ := p.Run(p.binary(), "status", "--config", p.Path(configPath)); !strings.Contains(said, "revoked") {
			return errors.New(said)
		}
		return nil
	})
	p.see(p.Missing, time.Time{})
	p.end(watches)
}

// lastRevoked: the responder says that the last of the certificates is revoked.
func (p *play) lastRevoked() {
	p.begin(p.Short)
	watches := p.watch()
	first := p.see(Good, time.Time{})
	last := len(p.Certificates) - 1
	p.Revoke(p.issued[last])
	p.Agent()
	p.seeOne(last, p.Missing, time.Time{})
	for i := range last {
		p.seeOne(i, Good, first) // it was told more than once
	}
	p.end(watches)
	p.restart()
	for i := range last {
		p.seeOne(i, Good, first)
	}
}

// ended: the responder does not come back before the staple ends. The server
// has to start without it, too.
func (p *play) ended() {
	p.begin(p.Ending)
	watches := p.watch()
	p.see(Good, time.Time{})
	p.Down()
	p.Agent()
	p.see(p.Missing, time.Time{})
	p.end(watches)
	p.restart()
	p.see(p.Missing, time.Time{})
}

// untold: nobody tells the server, and until it looks by itself, that it has an
// older staple than the disk is no error.
func (p *play) untold() {
	p.begin(p.Short)
	watches := p.watch()
	first := p.see(Good, time.Time{})
	served := p.looks()
	<-time.After(time.Until(first.Add(p.Short.Age + 2*time.Second))) // there is a newer response each second
	p.Refresh(0, "--force")
	for i, c := range p.Certificates {
		if bytes.Equal(p.onDisk(p.staple(c)), served[i].Staple) {
			p.T.Fatalf("%s: nothing has changed on disk", c.Chain)
		}
	}
	for i, now := range p.looks() {
		if !bytes.Equal(now.Staple, served[i].Staple) {
			p.T.Errorf("got %v at once: somebody has told the server", now)
		}
	}
	p.check()
	p.see(Good, first)
	p.check()
	p.end(watches)
}

// healed: the server starts, and starts again, with older staples than those on
// disk. Nothing is due, and the responder is down: it can have the newest ones
// from the agent's comparison only.
func (p *play) healed(keep func(s *Stage)) {
	p.prepare(Window{Validity: 2000 * time.Second, Age: 500 * time.Second})
	p.Refresh(0, "--hook", "true")
	keep(p.Stage)
	older := make([][]byte, len(p.Certificates))
	for i, c := range p.Certificates {
		older[i] = p.onDisk(p.staple(c))
	}
	p.until("there are newer staples", func() error {
		p.Refresh(0, "--force", "--hook", "true")
		for i, c := range p.Certificates {
			if bytes.Equal(older[i], p.onDisk(p.staple(c))) {
				return errors.New("the responder has no newer one yet")
			}
		}
		return nil
	})
	p.Down()
	p.serve()
	for i := range p.Certificates {
		sight, err := p.client(i).Look()
		if err != nil || !bytes.Equal(sight.Staple, older[i]) {
			p.T.Fatalf("got %v, %v, want the older staple: nothing is tested", sight, err)
		}
	}
	p.Agent()
	p.see(Good, time.Time{}) // and what is on disk
	p.restart()
	p.see(Good, time.Time{})
}
