package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

const (
	// proofPause is how long after a change servers are asked for what they
	// serve: most have reloaded by then, the others are asked again.
	proofPause = time.Second
	// proofEvery is how often they are asked although nothing has changed.
	proofEvery = time.Hour
)

// proofs keeps what handshakes with the configured addresses have shown.
type proofs struct {
	due chan struct{} // holds one token: something has changed

	mu   sync.Mutex
	last map[string]prove.Finding // by address

	misnamed map[string]bool // by address: the leaf last presented is for another name, which is said

	retold map[retold]watcher.Stamp // of the file that hooks were told of twice; the loop's
}

// ProveSoon has the configured addresses asked for what they serve. Hooks call
// it when they have told a server. It never blocks.
func (a *Agent) ProveSoon() {
	select {
	case a.proofs.due <- struct{}{}:
	default:
	}
}

// Proofs says what the last handshake with each configured address has shown.
func (a *Agent) Proofs() []prove.Finding {
	a.proofs.mu.Lock()
	defer a.proofs.mu.Unlock()
	out := make([]prove.Finding, 0, len(a.proofs.last))
	for _, f := range a.proofs.last {
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y prove.Finding) int {
		return strings.Compare(x.Address.String(), y.Address.String())
	})
	return out
}

// proveLoop proves after changes, and now and then, until ctx is done.
func (a *Agent) proveLoop(ctx context.Context) error {
	every := time.NewTicker(proofEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		case <-a.proofs.due:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(proofPause):
			}
		}
		_, _ = a.proveAll(ctx, false) // it logs what it finds
	}
}

// proveAll asks all addresses, and returns as an error those that do not serve
// what is on disk, and whether their hooks have been told again. In a single
// pass a server that is not reached may just not have been started yet: that is
// said, and is no error.
func (a *Agent) proveAll(ctx context.Context, once bool) (retold bool, err error) {
	findings := make([][]prove.Finding, len(a.o.Groups))
	wrong := make([]error, len(a.o.Groups))
	var proving sync.WaitGroup
	for i := range a.o.Groups {
		proving.Go(func() { findings[i], wrong[i] = a.proveGroup(ctx, i, once) })
	}
	proving.Wait() // a server that takes long keeps no other one waiting
	if ctx.Err() != nil {
		return false, nil
	}
	return a.retell(ctx, findings), errors.Join(wrong...)
}

// proveGroup asks the addresses of a group.
func (a *Agent) proveGroup(ctx context.Context, group int, once bool) (findings []prove.Finding, err error) {
	expect := func(leaf *chain.Leaf) *prove.Expected { return a.expected(ctx, group, leaf) }
	g := &a.o.Groups[group]
	addresses, within := g.Prove, a.o.ProveWithin
	if once {
		addresses = nil
		for _, f := range (&prove.Prover{Within: -1}).Prove(ctx, g.Prove, expect) {
			if f.Same || f.Result == prove.Unreachable {
				findings = append(findings, f)
			} else {
				addresses = append(addresses, f.Address) // it gets its time to reload
			}
		}
		if slices.ContainsFunc(g.Hooks, func(q *hooks.Queue) bool { return q.State().Pending > 0 }) {
			within = -1 // the hook has failed: nobody has told the server to reload
		}
	}
	var wrong []error
	for _, f := range (&prove.Prover{Within: within}).Prove(ctx, addresses, expect) {
		findings = append(findings, f)
		if !f.Same {
			wrong = append(wrong, fmt.Errorf("%s: %s: %s", f.Address, f.Result, f.Detail))
		}
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	for _, f := range findings {
		a.noteProof(f)
	}
	return findings, errors.Join(wrong...)
}

// noteProof logs what a handshake has shown, when it is another thing than
// before.
func (a *Agent) noteProof(f prove.Finding) {
	address := f.Address.String()
	a.proofs.mu.Lock()
	before, known := a.proofs.last[address]
	a.proofs.last[address] = f
	misnamed := f.WrongName && !a.proofs.misnamed[address]
	if f.Leaf != nil {
		a.proofs.misnamed[address] = f.WrongName
	}
	a.proofs.mu.Unlock()
	if a.o.Proved != nil {
		a.o.Proved(f)
	}
	if misnamed {
		a.log.Warn("server presents a certificate for another name", "address", address, "err",
			fmt.Sprintf("%s is not for %s: the server may not know this name", f.Leaf.Name, f.Address.ServerName))
	}
	if known && before.Result == f.Result && before.Same == f.Same {
		return
	}
	log := a.log.With("address", address, "result", string(f.Result))
	switch {
	case f.Same && f.OK():
		log.Info("served staple is the one on disk")
	case f.Result == prove.Unreachable:
		log.Warn("server is not reached", "err", f.Detail)
	case f.Same:
		log.Warn("server serves no good staple, as there is none on disk", "err", f.Detail)
	default:
		log.Error("server does not serve what is on disk", "err", f.Detail)
	}
}

// expected says what should be served with a leaf, or nil if no file of the
// group holds it.
func (a *Agent) expected(ctx context.Context, group int, leaf *chain.Leaf) *prove.Expected {
	var e *prove.Expected
	a.onLoop(ctx, func() {
		about := a.targetsOf(group, leaf.Fingerprint)
		if len(about) == 0 {
			return
		}
		g, path := &a.o.Groups[group], about[0].staple
		e = &prove.Expected{
			Issuer:  about[0].sub.chain.Issuer,
			Verify:  staple.Options{Strict: g.Strict},
			Accepts: g.Profile.Accept,
			Lazy:    g.Lazy(),
			Read: func() ([]byte, error) {
				der, err := readLimited(path)
				if errors.Is(err, fs.ErrNotExist) {
					return nil, nil
				}
				return der, err
			},
		}
	})
	return e
}
