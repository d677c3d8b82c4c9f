package prove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

const (
	// defaultWithin is how long a server may take to serve what is new.
	// Reloads take up to two seconds, Exim looks every five, Traffic Server
	// needs six.
	defaultWithin = 15 * time.Second

	firstPause = 100 * time.Millisecond // most reloads are through by then
	lastPause  = 2 * time.Second
)

// Prover proves that servers serve what is on disk. Its zero value is ready.
type Prover struct {
	Timeout time.Duration // of one handshake; 0: DefaultTimeout
	Within  time.Duration // how long to try again; 0: 15 s, negative: not at all
}

// Expected is what a server should serve with one leaf.
type Expected struct {
	Issuer *chain.Issuer // for servers that present the leaf alone; may be nil
	Verify staple.Options

	// Read returns what is in the staple file now, nothing if there is no
	// file. It is called after each handshake, for the file may change
	// meanwhile, and from several goroutines.
	Read func() ([]byte, error)

	// Accepts and Lazy are those of Comparison. Accepts may be nil.
	Accepts func(s *staple.Staple, now time.Time) error
	Lazy    time.Duration
}

// Prove looks at each address until it serves what is on disk, and says for
// each what it found last, in their order. A reload takes a moment, so a
// server that does not yet is asked again for a while.
//
// Expect says what goes with the leaf that a server presents, or nil if there
// is no such leaf on disk. It is called from several goroutines.
func (p *Prover) Prove(ctx context.Context, at []Address, expect func(leaf *chain.Leaf) *Expected) []Finding {
	findings := make([]Finding, len(at))
	var looking sync.WaitGroup
	for i, a := range at {
		looking.Go(func() { findings[i] = p.proveOne(ctx, a, expect) })
	}
	looking.Wait()
	return findings
}

func (p *Prover) proveOne(ctx context.Context, a Address, expect func(leaf *chain.Leaf) *Expected) Finding {
	end := time.Now().Add(cmp.Or(p.Within, defaultWithin))
	pause := firstPause
	for {
		f := p.look(ctx, a, expect)
		if f.Same || ctx.Err() != nil || !time.Now().Add(pause).Before(end) {
			return f
		}
		select {
		case <-ctx.Done():
			return f
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// look makes one handshake and judges it.
func (p *Prover) look(ctx context.Context, a Address, expect func(leaf *chain.Leaf) *Expected) Finding {
	f := Finding{Address: a}
	served, err := Probe(ctx, Options{Address: a, Timeout: p.Timeout})
	if err != nil {
		return Failed(err)
	}
	f.Leaf = served.Chain.Leaf
	f.WrongName = a.ServerName != "" && !IsFor(served.Leaf, a.ServerName)
	e := expect(served.Chain.Leaf)
	if e == nil {
		return f.because(OtherLeaf, "the server presents the certificate %s with serial %s, which is not on disk",
			served.Chain.Leaf.Name, served.Chain.Leaf.SerialHex())
	}
	disk, err := e.Read()
	if err != nil {
		return f.because(Unreadable, "%v", err)
	}
	if served.Chain.Issuer == nil {
		served.Chain.Issuer = e.Issuer
	}
	compared := Compare(Comparison{
		Chain: served.Chain, Served: served.Staple, Now: time.Now(), Verify: e.Verify,
		HasDisk: true, Disk: disk, Accepts: e.Accepts, Lazy: e.Lazy,
	})
	compared.Address, compared.Leaf, compared.WrongName = f.Address, f.Leaf, f.WrongName
	return compared
}

// Failed makes a finding of an error of Probe.
func Failed(err error) Finding {
	f := Finding{Result: Unreachable, Detail: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		f.Address = e.Address
		f.Detail = fmt.Sprintf("%s: %s", e.Stage, printable(e.Err.Error()))
		if e.Stage != Connecting {
			f.Result = NoHandshake
		}
	}
	return f
}
