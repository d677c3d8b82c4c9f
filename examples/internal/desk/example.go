package desk

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

// Listen is where restaple listens in the examples' configurations.
const Listen = "127.0.0.1:9080"

// Example is a server with its configuration, and what it does with staples.
type Example struct {
	Programs     []string // that have to be installed
	Certificates []stage.Certificate

	// Configure puts the configuration of the server, which is to listen at
	// one address and to ask at another, and of restaple in their places.
	Configure func(s *stage.Stage, address, desk string)

	// Serve starts the server.
	Serve func(s *stage.Stage) *stage.Process

	// Renewed says how the example's deploy hook has to differ on the stage, by
	// pairs as Install has them. Nil: there is none. Hook is its file;
	// "": renewed.sh.
	Renewed func(s *stage.Stage) []string
	Hook    string

	// Restarts says that the server takes a certificate that was replaced
	// only when it starts, which renewed.sh cannot do on the stage.
	Restarts bool

	// Late says that the first handshakes may have no staple: the server asks
	// in the background.
	Late bool

	// Again has the server load everything again, as a reload does, and waits
	// until nobody serves who did before. Not nil: the server first asks when
	// a client wants to know and has it not wait, so that the very first
	// handshake after a start or reload has no staple.
	Again func(s *stage.Stage)

	// Keeps says that the server asks again after minutes at the earliest,
	// so that what changes is not seen within a test. Only the end of a
	// staple makes it let go.
	Keeps bool

	// Stores says that the server keeps staples on disk: it has them
	// without restaple, too.
	Stores bool

	// Overstays says that the server goes on serving a staple that has
	// ended, whatever restaple answers.
	Overstays bool
}

// Prove shows what restaple promises to a server that asks.
func (e Example) Prove(t *testing.T) {
	t.Parallel()
	scenes := map[string]func(*play){
		"served": (*play).served,
	}
	if !e.Overstays {
		scenes["ended"] = (*play).ended
	}
	if !e.Keeps {
		scenes["refreshed"] = (*play).refreshed
		scenes["revoked"] = (*play).revoked
	}
	if e.Again != nil {
		scenes["again"] = (*play).again
	}
	if e.Renewed != nil {
		scenes["renewed"] = (*play).renewed
	}
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scene(&play{Stage: stage.New(t, append(e.Programs, "openssl")...), Example: e})
		})
	}
}

// play is one scene of an example.
type play struct {
	*stage.Stage
	Example
	address string
	listen  string        // where restaple answers
	issued  []*lab.Issued // for each of the certificates
	agent   *stage.Process
	server  *stage.Process
}

// begin brings everything to where a machine is after it has booted.
func (p *play) begin(w stage.Window) {
	p.T.Helper()
	p.prepare(w)
	p.serve()
}

// prepare starts restaple, and not yet the server.
func (p *play) prepare(w stage.Window) {
	p.T.Helper()
	p.Respond(w)
	p.address = p.Address()
	p.listen = p.Address()
	p.Configure(p.Stage, p.address, p.listen)
	p.deploy()
	p.start()
}

func (p *play) deploy() {
	p.T.Helper()
	p.issued = nil
	for _, c := range p.Certificates {
		key, err := lab.NewKey(c.Type)
		if err != nil {
			p.T.Fatal(err)
		}
		issued, err := p.PKI.Intermediate.Issue(lab.IssueOptions{Names: []string{stage.Name}, Key: key})
		if err != nil {
			p.T.Fatal(err)
		}
		p.Put(c, issued)
		p.issued = append(p.issued, issued)
	}
}

// start starts restaple, and waits until it answers and has a staple for each
// certificate. A server that asks too early would not ask again for minutes.
func (p *play) start() {
	p.T.Helper()
	p.agent = p.Agent()
	p.until("restaple answers", func() error {
		c, err := net.Dial("tcp", p.listen)
		if err != nil {
			return err
		}
		return c.Close()
	})
	for _, c := range p.Certificates {
		p.until("there is a staple for "+c.Chain, func() error {
			_, err := os.Stat(c.Staple(p.Stage))
			return err
		})
	}
	// Both may be there from an earlier start, or before the first look is over.
	p.known()
}

// serve starts the server and waits until it takes connections. The first
// handshakes that it takes have the staples, unless the example says that they
// are late.
func (p *play) serve() {
	p.T.Helper()
	p.server = p.Serve(p.Stage)
	p.first()
}

// first makes the first handshakes with a server that may not take connections
// yet, and looks at what they have.
func (p *play) first() {
	p.T.Helper()
	for i, c := range p.Certificates {
		var first stage.Sight
		begun := 0 // handshakes, that is: not those that nobody took
		p.until("the server takes connections", func() (err error) {
			if p.server.Ended() {
				p.T.Fatalf("the server has ended: %v", p.server.Stop())
			}
			first, err = p.client(i).Look()
			if !errors.Is(err, syscall.ECONNREFUSED) {
				begun++
			}
			return err
		})
		switch {
		case p.Again != nil && begun == 1 && first.Kind != stage.None:
			p.T.Errorf("the first handshake with %s: got %v, want no staple", c.Chain, first)
		case !p.Late && !p.agent.Ended() && first.Kind != stage.Good:
			p.T.Errorf("the first handshake with %s: got %v, want a good staple", c.Chain, first)
		}
	}
}

// restart stops the server and starts it again.
func (p *play) restart() {
	p.T.Helper()
	_ = p.server.Stop() // how it takes SIGTERM is its own affair
	p.serve()
}

func (p *play) client(i int) stage.Client {
	roots := x509.NewCertPool()
	roots.AddCert(p.PKI.Root.Certificate)
	c := stage.Client{Address: p.address, Roots: roots, Type: p.Certificates[i].Type}
	if p.Keeps {
		// It keeps what it has until its end, and may serve it in the very
		// second in which that comes.
		c.Grace = time.Second
	}
	return c
}

// watch watches every certificate; what it returns ends that.
func (p *play) watch() (end func()) {
	var all []*stage.Watch
	for i := range p.Certificates {
		all = append(all, p.Stage.Watch(p.client(i)))
	}
	return func() {
		p.T.Helper()
		for _, w := range all {
			if failures := w.End(); len(failures) > 0 {
				p.T.Errorf("%d handshakes failed, the first: %v", len(failures), failures[0])
			}
		}
	}
}

// patience is how long to wait for what has to come.
const patience = 2 * time.Minute

// until waits until a condition holds on what others do.
func (p *play) until(what string, ok func() error) {
	p.T.Helper()
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
func (p *play) see(kind stage.Kind, newerThan time.Time) (oldest time.Time) {
	p.T.Helper()
	for i, c := range p.Certificates {
		p.until(fmt.Sprintf("%s is served with the staple %s", c.Chain, kind), func() error {
			sight, err := p.client(i).Look()
			switch {
			case err != nil:
				return err
			case !sight.Leaf.Equal(p.issued[i].Certificate):
				return fmt.Errorf("got %v, want another certificate", sight)
			case sight.Kind != kind || kind == stage.Good && !sight.This.After(newerThan):
				return fmt.Errorf("got %v, want it %s and newer than %s", sight, kind, newerThan.Format(time.TimeOnly))
			}
			if oldest.IsZero() || sight.This.Before(oldest) {
				oldest = sight.This
			}
			return nil
		})
	}
	return oldest
}

// judge has openssl say what it thinks of what is served.
func (p *play) judge() {
	p.T.Helper()
	root := "/etc/judge/root.pem"
	p.Write(root, p.PKI.Root.CertPEM(), 0o644)
	for i, c := range p.Certificates {
		suite := "ECDHE-ECDSA-AES128-GCM-SHA256"
		if c.Type == lab.RSA {
			suite = "ECDHE-RSA-AES128-GCM-SHA256"
		}
		said, _ := p.Run("openssl", "s_client", "-connect", p.address, "-servername", stage.Name, "-CAfile", p.Path(root),
			"-verify_return_error", "-status", "-tls1_2", "-cipher", suite) // its exit code says less
		for _, want := range []string{"OCSP Response Status: successful (0x0)", "Cert Status: good", "Verify return code: 0 (ok)",
			"Serial Number: " + lab.SerialText(p.issued[i].Certificate.SerialNumber)} {
			if !strings.Contains(said, want) {
				p.T.Errorf("openssl s_client: got no %q in\n%s", want, said)
			}
		}
	}
}
