package stage

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// Example is a server with its configuration, and what it does with staples.
type Example struct {
	Programs     []string // that have to be installed
	Certificates []Certificate
	SMTP         bool
	NewestTLS    bool // the server may speak nothing older: for one certificate only
	Silent       bool // the certificates name no responder

	// Configure puts the configuration of the server, which is to listen at
	// an address, and of restaple in their places.
	Configure func(s *Stage, address string)

	// Deploy puts a certificate in its place. Nil: the key, then the chain,
	// each at one go.
	Deploy func(s *Stage, c Certificate, issued *lab.Issued)

	// Serve starts the server.
	Serve func(s *Stage) *Process

	// Reload is how whoever deploys a certificate has the server load it.
	// Nil: it is left to restaple's hook. HookReloads says that the hook
	// does it too, if it has something to tell: then it is left to that.
	Reload      func(s *Stage, server *Process)
	HookReloads bool

	// Responses with a refresh within seconds, and an end a little later; and
	// responses that end within seconds. They are withdrawn when an eighth of
	// their life is left, which is how late everybody may be.
	Short, Ending Window

	// Lag is how long after it was told the server may read its files.
	Lag time.Duration

	// Missing is what the server does when there is no staple: None, or
	// TryLater.
	Missing Kind

	// RevokedAtEnd says that the good staple of a revoked certificate cannot
	// be taken from the server, but is served till its end.
	RevokedAtEnd bool

	// Aware says that the hook knows by itself whether the server runs.
	Aware bool

	// Steady says that a connection stays when the staple is refreshed.
	Steady bool

	// Restarts says that the server reads certificates only when it starts:
	// it is stopped while one is renewed.
	Restarts bool

	// Gap is how long handshakes may fail while a certificate is renewed.
	Gap time.Duration

	// Patience is how long to wait for the server; 0: a minute.
	Patience time.Duration
}

// Prove shows that restaple keeps its promises with the server.
func (e Example) Prove(t *testing.T) {
	t.Parallel()
	for _, scene := range []struct {
		name string
		play func(*play)
	}{
		{"late", (*play).late},
		{"refreshed", (*play).refreshed},
		{"renewed", (*play).renewed},
		{"revoked", (*play).revoked},
		{"ended", (*play).ended},
	} {
		t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			scene.play(e.on(t))
		})
	}
}

// ProveRenewed shows that a renewed certificate gets its own staple.
func (e Example) ProveRenewed(t *testing.T) {
	t.Parallel()
	e.on(t).renewed()
}

// ProveRenewedAlone shows that a server goes on with a renewed certificate
// while restaple is not there.
func (e Example) ProveRenewedAlone(t *testing.T) {
	t.Parallel()
	e.on(t).renewedAlone()
}

// ProveGone shows that what is withdrawn is no longer served.
func (e Example) ProveGone(t *testing.T) {
	t.Parallel()
	t.Run("revoked", func(t *testing.T) {
		t.Parallel()
		e.on(t).revoked()
	})
	t.Run("ended", func(t *testing.T) {
		t.Parallel()
		e.on(t).ended()
	})
}

// ProveRevoked shows what is served when the certificates are revoked.
func (e Example) ProveRevoked(t *testing.T) {
	t.Parallel()
	e.on(t).revoked()
}

// ProveLastRevoked shows that the last of several certificates loses its staple,
// and the others keep theirs.
func (e Example) ProveLastRevoked(t *testing.T) {
	t.Parallel()
	e.on(t).lastRevoked()
}

// ProveLate shows that a server which started without a staple gets its first.
func (e Example) ProveLate(t *testing.T) {
	t.Parallel()
	e.on(t).late()
}

// ProveRefreshed shows that a new staple is served.
func (e Example) ProveRefreshed(t *testing.T) {
	t.Parallel()
	e.on(t).refreshed()
}

// ProveUntold shows that the server finds a new staple by itself, as it is
// told of none.
func (e Example) ProveUntold(t *testing.T) {
	t.Parallel()
	e.on(t).untold()
}

// ProveHeard shows that the server gets a newer staple of which it is told while
// it reloads. Slow is a file that it reads after the staples.
func (e Example) ProveHeard(t *testing.T, slow string) {
	t.Parallel()
	e.on(t).heard(slow)
}

// ProveOverlooked shows that the server gets a staple which came after it had
// looked for it, and before it watched for it. Looked is what tells of the look
// in the trace of StartSlowed, by which Serve starts it.
func (e Example) ProveOverlooked(t *testing.T, looked string) {
	t.Parallel()
	e.on(t).overlooked(looked)
}

// ProveHealed shows that a server which starts with older staples than those on
// disk gets these. Keep puts the staples that there are where the server will
// find them whenever it starts.
func (e Example) ProveHealed(t *testing.T, keep func(s *Stage)) {
	t.Parallel()
	e.on(t).healed(keep)
}

// on sets the stage.
func (e Example) on(t *testing.T) *play {
	t.Helper()
	return &play{Stage: New(t, append(e.Programs, "openssl")...), Example: e}
}

// play is one scene of an example.
type play struct {
	*Stage
	Example
	address string
	issued  []*lab.Issued // for each of the certificates
	server  *Process
	trusted []*x509.Certificate // by clients, beside the root
}

// patience is how long to wait for what has to come, unless an example says so.
const patience = time.Minute

// begin brings everything to where a machine is after it has booted: restaple
// has made its first pass, and the server runs.
func (p *play) begin(w Window) {
	p.T.Helper()
	p.prepare(w)
	p.boot(0)
}

// prepare puts everything in its place, and starts nothing.
func (p *play) prepare(w Window) {
	p.T.Helper()
	p.Respond(w)
	p.address = p.Address()
	p.Configure(p.Stage, p.address)
	p.deploy(w)
}

// boot makes a first pass, which has to end with this exit code, and starts
// the server.
func (p *play) boot(code int) {
	p.T.Helper()
	if p.Aware {
		p.Refresh(code)
	} else {
		p.Refresh(code, "--hook", "true") // nobody is there to be told
	}
	p.serve()
}

func (p *play) deploy(w Window) {
	p.T.Helper()
	p.issued = nil
	for _, c := range p.Certificates {
		issued := p.issue(c.Type, w, p.Silent)
		if p.Deploy == nil {
			p.Put(c, issued)
		} else {
			p.Deploy(p.Stage, c, issued)
		}
		p.issued = append(p.issued, issued)
	}
}

// serve starts the server and waits until it takes connections.
func (p *play) serve() {
	p.T.Helper()
	p.server = p.Serve(p.Stage)
	p.until("the server takes connections", func() error {
		if p.server.Ended() {
			p.T.Fatalf("%s has ended: %v", p.server.name, p.server.Stop())
		}
		for i := range p.Certificates {
			if _, err := p.client(i).Look(); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *play) client(i int) Client {
	roots := x509.NewCertPool()
	roots.AddCert(p.PKI.Root.Certificate)
	for _, c := range p.trusted {
		roots.AddCert(c)
	}
	return Client{Address: p.address, Roots: roots, Type: p.Certificates[i].Type, SMTP: p.SMTP, Only: p.NewestTLS}
}

// watch watches every certificate.
func (p *play) watch() []*Watch {
	var out []*Watch
	for i := range p.Certificates {
		out = append(out, p.Stage.Watch(p.client(i)))
	}
	return out
}

// until waits until a condition holds on what others do.
func (p *play) until(what string, ok func() error) {
	p.T.Helper()
	patience := cmp.Or(p.Patience, patience)
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			p.T.Fatalf("not within %v: %s: %v", patience, what, err)
		case <-tick.C:
		}
	}
}

// see waits until clients see each newest certificate with a staple of a kind,
// and one that is newer than given.
func (p *play) see(kind Kind, newerThan time.Time) (oldest time.Time) {
	p.T.Helper()
	for i := range p.Certificates {
		if this := p.seeOne(i, kind, newerThan); oldest.IsZero() || this.Before(oldest) {
			oldest = this
		}
	}
	return oldest
}

// seeOne is see for one of the certificates.
func (p *play) seeOne(i int, kind Kind, newerThan time.Time) (this time.Time) {
	p.T.Helper()
	c := p.Certificates[i]
	was := make(map[string]bool) // on disk: a server reads a while after it was told
	p.until(fmt.Sprintf("%s is served with the staple %s", c.Chain, kind), func() error {
		was[string(p.onDisk(p.staple(c)))] = true
		sight, err := p.client(i).Look()
		was[string(p.onDisk(p.staple(c)))] = true
		switch {
		case err != nil:
			return err
		case !sight.Leaf.Equal(p.issued[i].Certificate):
			return fmt.Errorf("got %v, want certificate %s", sight, lab.SerialText(p.issued[i].Certificate.SerialNumber))
		case sight.Kind != kind || kind == Good && !sight.This.After(newerThan):
			return fmt.Errorf("got %v, want it %s and newer than %s", sight, kind, newerThan.Format(time.TimeOnly))
		case kind == Good && !was[string(sight.Staple)]:
			return fmt.Errorf("got %v, want what is, or just was, on disk", sight)
		}
		this = sight.This
		return nil
	})
	return this
}

func (p *play) staple(c Certificate) string {
	if c.Staple != nil {
		return c.Staple(p.Stage)
	}
	return p.Path(c.Chain + ".ocsp")
}

// end ends watches.
func (p *play) end(watches []*Watch) {
	p.T.Helper()
	for _, w := range watches {
		failures, gap := w.End(), w.Gap()
		if len(failures) > 0 && !p.Restarts && (p.Gap == 0 || gap > p.Gap) {
			p.T.Errorf("%d handshakes failed, for up to %v, the first: %v", len(failures), gap, failures[0])
		}
	}
}
