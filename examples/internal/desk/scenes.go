package desk

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/examples/internal/stage"
)

// Responses that live long, that are renewed within seconds, and that end
// within seconds.
var (
	long   = stage.Window{Validity: time.Hour}
	short  = stage.Window{Validity: 30 * time.Second, Age: 10 * time.Second}
	ending = stage.Window{Validity: 24 * time.Second, Age: 8 * time.Second}
)

// served: the staple is there in a handshake, though the CA's responder is
// down since before the server has started, and also after the server and
// restaple have been restarted. Without restaple clients are served all the
// same.
func (p *play) served() {
	p.prepare(long)
	p.Down()
	p.serve()
	end := p.watch()
	first := p.see(stage.Good, time.Time{})
	p.judge()
	end()

	p.restart()
	p.see(stage.Good, first.Add(-time.Second))

	p.stop()
	p.start()
	p.restart()
	p.see(stage.Good, first.Add(-time.Second))

	p.stop()
	p.restart()
	end = p.watch()
	if p.Stores {
		p.see(stage.Good, first.Add(-time.Second))
	} else {
		p.see(stage.None, time.Time{})
	}
	end()
}

// again: after a reload the server begins as after a start, and has its staples
// again as soon as somebody has wanted to know.
func (p *play) again() {
	p.begin(long)
	p.see(stage.Good, time.Time{})
	p.Again(p.Stage)
	p.first()
	p.see(stage.Good, time.Time{})
}

// stop stops restaple.
func (p *play) stop() {
	p.T.Helper()
	if err := p.agent.Stop(); err != nil {
		p.T.Errorf("restaple run: %v", err)
	}
}

// refreshed: when restaple has a newer staple, the server serves it soon.
func (p *play) refreshed() {
	p.begin(short)
	end := p.watch()
	first := p.see(stage.Good, time.Time{})
	p.see(stage.Good, first)
	end()
}

// renewed: a certificate that is renewed gets its own staple, with the deploy
// hook of the example, which lets restaple have it before the server asks.
func (p *play) renewed() {
	p.begin(long)
	end := p.watch()
	p.see(stage.Good, time.Time{})
	p.deploy()
	const hook = "/etc/site/renewed.sh"
	p.Install(cmp.Or(p.Hook, "renewed.sh"), hook, append(p.Renewed(p.Stage), Listen, p.listen)...)
	if said, code := p.Run("sh", p.Path(hook)); code != 0 {
		p.T.Fatalf("renewed.sh: exit code %d\n%s", code, said)
	}
	if p.Restarts {
		end() // it refuses connections for a moment
		p.restart()
		end = p.watch()
	}
	p.see(stage.Good, time.Time{})
	end()
}

// known waits until the running restaple answers for the certificates that were
// deployed. A server that asks before would not ask again for minutes.
func (p *play) known() {
	p.T.Helper()
	for _, issued := range p.issued {
		request, err := ocsp.CreateRequest(issued.Certificate, p.PKI.Intermediate.Certificate, nil)
		if err != nil {
			p.T.Fatal(err)
		}
		p.until("restaple knows "+issued.Certificate.SerialNumber.String(), func() error {
			resp, err := http.Post("http://"+p.listen+"/", "application/ocsp-request", bytes.NewReader(request))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			der, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
			if err != nil {
				return err
			}
			_, err = ocsp.ParseResponse(der, p.PKI.Intermediate.Certificate)
			return err
		})
	}
}

// revoked: the responder says that the certificates are revoked. restaple
// vouches for them no more.
func (p *play) revoked() {
	p.begin(short)
	end := p.watch()
	p.see(stage.Good, time.Time{})
	for _, issued := range p.issued {
		p.Revoke(issued)
	}
	p.see(stage.None, time.Time{})
	end()
}

// ended: the responder does not come back before the staple ends. No client
// sees one that has.
func (p *play) ended() {
	p.begin(ending)
	end := p.watch()
	p.see(stage.Good, time.Time{})
	p.Down()
	p.see(stage.None, time.Time{})
	end()
}
