package stage

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// ProveUnstapled shows that the server starts, and goes on, with certificates
// that can have no staple: one names no responder, of the other nobody finds the
// issuer. Whatever was there before, and comes after.
func (e Example) ProveUnstapled(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name       string
		options    lab.IssueOptions
		withIssuer bool
		code       int // of `restaple refresh`
	}{
		{"no responder", lab.IssueOptions{Responders: []string{}}, true, 0},
		{"no issuer", lab.IssueOptions{}, false, 1},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			p := e.on(t)
			kind.options.Names = []string{Name}
			p.unstapled(func() {
				p.issued = nil
				for _, c := range p.Certificates {
					issued, err := p.PKI.Intermediate.Issue(kind.options)
					if err != nil {
						t.Fatal(err)
					}
					p.Put(c, issued)
					if !kind.withIssuer {
						p.Write(c.Chain, issued.CertPEM(), 0o644)
					}
					p.issued = append(p.issued, issued)
				}
			}, kind.code)
		})
	}
}

func (p *play) unstapled(deploy func(), code int) {
	p.Respond(p.Short)
	p.address = p.Address()
	p.Configure(p.Stage, p.address)
	p.trusted = []*x509.Certificate{p.PKI.Intermediate.Certificate} // not every chain has it

	deploy()
	p.boot(code)
	watches := p.watch()
	p.see(p.Missing, time.Time{})

	p.deploy(p.Short)
	p.Refresh(0)
	p.reload(true)
	p.see(Good, time.Time{})

	deploy()
	p.Refresh(code)
	p.reload(true)
	p.see(p.Missing, time.Time{})
	p.end(watches)
	p.restart()
	p.see(p.Missing, time.Time{})
}
