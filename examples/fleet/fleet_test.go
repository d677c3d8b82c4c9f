package fleet

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/desk"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

const (
	edges        = 20
	certificates = 4

	// validity is the life of a response. Refreshes come when 0.4 to 0.5 of
	// it is over.
	validity = 30 * time.Second

	// patience is how long to wait for what has to come.
	patience = 2 * time.Minute
)

// fleet is a CA's responder that counts, two central restaples behind one
// name, and edges.
type fleet struct {
	*stage.Stage
	ca        *lab.Responder
	caAddress string
	caDown    func()
	counted   atomic.Int64 // questions to the CA
	issued    []*lab.Issued
	binary    string
	name      string       // address that stands for the name of the central ones
	inVain    atomic.Int64 // connections to it when none of them was up
	central   [2]string
	processes [2]*stage.Process
}

func TestAFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t, stage.Window{Validity: validity})
	for i := range f.central {
		f.startCentral(i)
	}
	start := time.Now()
	for i := range edges {
		f.startEdge(i)
	}
	first := f.staplesNewerThan(edges, start.Add(-time.Minute))

	// Both central ones have the same, to the byte, and so has each edge, once
	// whatever they refresh meanwhile has gone round.
	for c, issued := range f.issued {
		f.until("everybody has the same", func() error { return f.same(c, issued) })
	}

	f.staplesNewerThan(edges, first)
	f.bound("both central ones are up", start, 1)

	// The CA is down: whoever is new is served all the same.
	f.caDown()
	f.startEdge(edges)
	f.staplesNewerThan(edges+1, first)
	f.caUp()

	// A central one is down: the other one asks the CA.
	_ = f.processes[0].Stop()
	down := time.Now()
	f.staplesNewerThan(edges+1, down)
	f.bound("one central one is down", start, 2)

	// It comes back, and the other one goes.
	f.startCentral(0)
	_ = f.processes[1].Stop()
	f.staplesNewerThan(edges+1, time.Now())
	f.bound("at the end", start, 4)
}

// TestAFleetOutlastsItsCentralOnes has both of them down for a while in which
// edges want to know.
func TestAFleetOutlastsItsCentralOnes(t *testing.T) {
	t.Parallel()
	// A refresh is due within seconds, the end is far.
	f := newFleet(t, stage.Window{Validity: 4 * time.Minute, Age: 110 * time.Second})
	const few = 5
	for i := range f.central {
		f.startCentral(i)
	}
	for i := range few {
		f.startEdge(i)
	}
	f.staplesNewerThan(few, time.Time{})
	for _, p := range f.processes {
		_ = p.Stop() // that the edges get on without them is what counts
	}
	before := f.inVain.Load()
	f.until("edges ask again and again, and nobody answers", func() error {
		if got := f.inVain.Load() - before; got < 2*few {
			return fmt.Errorf("they have asked %d times", got)
		}
		return nil
	})
	last := f.staplesNewerThan(few, time.Time{})
	for i := range f.central {
		f.startCentral(i)
	}
	f.staplesNewerThan(few, last)
}

func newFleet(t *testing.T, w stage.Window) *fleet {
	t.Helper()
	f := &fleet{Stage: stage.New(t)}
	f.caAddress = f.Address()
	var err error
	f.ca, err = lab.NewResponder(lab.ResponderOptions{
		CA: f.PKI.Intermediate, Validity: w.Validity, Backdate: w.Age, Step: time.Second,
		Observe: func(lab.Exchange) { f.counted.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.caUp()
	t.Cleanup(func() { f.caDown() })
	key, err := lab.NewKey(lab.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	for c := range certificates {
		issued, err := f.PKI.Intermediate.Issue(lab.IssueOptions{
			Names: []string{fmt.Sprintf("c%d.example.com", c)}, Key: key, Responders: []string{"http://ocsp.corp-ca.example/"},
		})
		if err != nil {
			t.Fatal(err)
		}
		f.issued = append(f.issued, issued)
	}
	f.binary = desk.Build(t)
	f.Write("/etc/restaple/corp-ca.pem", f.PKI.Intermediate.CertPEM(), 0o644)
	f.central = [2]string{f.Address(), f.Address()}
	f.name = f.balance()
	return f
}

func (f *fleet) serve(l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- lab.Serve(ctx, l, f.ca) }()
	f.caDown = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			f.T.Errorf("CA: %v", err)
		}
	})
}

func (f *fleet) caUp() {
	f.T.Helper()
	f.serve(f.Listen(f.caAddress))
}

// restaple starts a restaple with a configuration of the example and a state
// directory of its own.
func (f *fleet) restaple(name, file string, pairs ...string) *stage.Process {
	f.T.Helper()
	config := "/etc/restaple/" + name + ".yaml"
	f.Install(file, config, pairs...)
	return f.Start(f.binary, "run", "--config", f.Path(config), "--state-dir", f.Path("/var/lib/"+name), "--log-level", "debug")
}

func (f *fleet) startCentral(i int) {
	f.T.Helper()
	pairs := []string{
		"answer_for:", "schedule: '@every 1s'\nanswer_for:", // not only each minute
		"http://ocsp.corp-ca.example/", "http://" + f.caAddress, "0.0.0.0:9080", f.central[i],
	}
	file := "central.yaml"
	if i == 1 {
		file = "central-2.yaml"
		pairs = append(pairs, "http://central-1.corp.example:9080/", "http://"+f.central[0])
	}
	f.processes[i] = f.restaple(fmt.Sprint("central-", i+1), file, pairs...)
	f.until("a central one answers", func() error {
		conn, err := net.Dial("tcp", f.central[i])
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// startEdge starts an edge that has all the certificates.
func (f *fleet) startEdge(i int) {
	f.T.Helper()
	for c, issued := range f.issued {
		f.Write(fmt.Sprintf("/etc/edge-%d/c%d.pem", i, c), issued.ChainPEM(), 0o644)
	}
	f.restaple(fmt.Sprint("edge-", i), "edge.yaml",
		"certificates:", "schedule: '@every 1s'\ncertificates:", // not only each minute
		"/etc/restaple/tls", fmt.Sprintf("/etc/edge-%d", i),
		"http://restaple.corp.example:9080/", "http://"+f.name)
}

func (f *fleet) staple(edge, certificate int) string {
	return f.Path(fmt.Sprintf("/etc/edge-%d/c%d.pem.ocsp", edge, certificate))
}

// staplesNewerThan waits until all edges have good staples for everything,
// newer than given, and returns when the newest of them was made. None that it
// sees on the way may have ended.
func (f *fleet) staplesNewerThan(n int, than time.Time) (newest time.Time) {
	f.T.Helper()
	for i := range n {
		for c := range f.issued {
			f.until(fmt.Sprintf("edge %d has a staple of certificate %d newer than %s", i, c, than.Format(time.TimeOnly)), func() error {
				now := time.Now()
				der, err := os.ReadFile(f.staple(i, c))
				if err != nil {
					return err
				}
				r, err := ocsp.ParseResponseForCert(der, f.issued[c].Certificate, f.PKI.Intermediate.Certificate)
				switch {
				case err != nil:
					return err
				case r.Status != ocsp.Good || !r.NextUpdate.After(now):
					f.T.Fatalf("edge %d, certificate %d: status %d until %s", i, c, r.Status, r.NextUpdate)
				case !r.ThisUpdate.After(than):
					return fmt.Errorf("it is of %s", r.ThisUpdate.Format(time.TimeOnly))
				}
				if r.ThisUpdate.After(newest) {
					newest = r.ThisUpdate
				}
				return nil
			})
		}
	}
	return newest
}

// bound holds the number of questions to the CA against what is to be expected:
// one for each certificate and about half of a response's life, and one for
// each certificate when a central one starts that has no answers, or goes before
// the other one has its newest. Extra is how often that was.
func (f *fleet) bound(when string, start time.Time, extra int) {
	f.T.Helper()
	got := f.counted.Load()                 // before the time is taken
	shortest := validity*4/10 - time.Second // responses count in whole seconds
	halves := int(time.Since(start)/shortest) + extra
	most := int64(certificates * halves)
	f.T.Logf("%s, after %v: the CA was asked %d times, at most %d are to be expected, and %d without central ones",
		when, time.Since(start).Round(time.Second), got, most, most*edges)
	if got > most || got < certificates {
		f.T.Errorf("%s: the CA was asked %d times, want %d to %d", when, got, certificates, most)
	}
}

// same says who has another answer about a certificate than the first central
// one.
func (f *fleet) same(c int, issued *lab.Issued) error {
	one, two := f.ask(f.central[0], issued), f.ask(f.central[1], issued)
	if !bytes.Equal(one, two) {
		return fmt.Errorf("certificate %d: the two central ones give different answers", c)
	}
	for i := range edges {
		if staple, err := os.ReadFile(f.staple(i, c)); err != nil || !bytes.Equal(staple, one) {
			return fmt.Errorf("edge %d, certificate %d: not what the central ones have (%v)", i, c, err)
		}
	}
	return nil
}

// ask asks one of the central ones.
func (f *fleet) ask(address string, leaf *lab.Issued) []byte {
	f.T.Helper()
	der, err := ocsp.CreateRequest(leaf.Certificate, leaf.Issuer.Certificate, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		f.T.Fatal(err)
	}
	resp, err := http.Post("http://"+address, "application/ocsp-request", bytes.NewReader(der))
	if err != nil {
		f.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.T.Fatal(err)
	}
	return body
}

// balance stands for a name with two addresses: connections go to the central
// ones in turn, and to the other one when one is down.
func (f *fleet) balance() (address string) {
	f.T.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.T.Fatal(err)
	}
	var connections sync.WaitGroup
	f.T.Cleanup(connections.Wait)
	f.T.Cleanup(func() { l.Close() })
	connections.Go(func() {
		for turn := 0; ; turn++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				defer conn.Close()
				to, err := net.Dial("tcp", f.central[turn%2])
				if err != nil {
					to, err = net.Dial("tcp", f.central[(turn+1)%2])
				}
				if err != nil {
					f.inVain.Add(1)
					return
				}
				defer to.Close()
				done := make(chan error, 2)
				go func() { _, err := io.Copy(to, conn); done <- err }()
				go func() { _, err := io.Copy(conn, to); done <- err }()
				<-done
			})
		}
	})
	return l.Addr().String()
}

// until waits until a condition holds on what others do.
func (f *fleet) until(what string, ok func() error) {
	f.T.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	err := errors.New("not tried")
	for err != nil {
		if err = ok(); err == nil {
			return
		}
		select {
		case <-deadline:
			f.T.Fatalf("not in time: %s: %v", what, err)
		case <-tick.C:
		}
	}
}
