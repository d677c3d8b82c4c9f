package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// Agent keeps the staples of its groups fresh. One goroutine, the loop, owns
// all its state; everything that waits happens elsewhere and comes back to the
// loop as a message. An Agent runs once, by Run or by RunOnce.
type Agent struct {
	o         Options
	log       *slog.Logger
	client    asker
	watch     *watcher.Watcher
	groupOf   []int // source index → group index
	loaders   []*chain.Loader
	verifiers map[bool]*staple.Verifier // by strict
	lanes     *responder.Lanes
	placer    *placer
	claims    *claims
	memory    *memory
	issuers   *issuerCache
	queues    []*hooks.Queue
	host      string

	// What the loop owns.
	targets   map[targetKey]*target
	owners    map[string]*target // of staple files and snippets
	subjects  map[subjectKey]*subject
	due       schedule.Queue[*subject]
	unwritten int                   // staples that targets hold
	blocked   map[string]blockage   // of directories in which nothing can be written
	touches   map[*target]time.Time // when a file is to get another time
	lookings  int                   // observations on their way
	askings   int                   // requests on their way
	placings  int                   // changes of staple files on their way
	scanning  bool
	rescan    bool              // asked for, and not begun
	soon      bool              // one is about to be asked for
	awaited   []func()          // end that hooks wait for more
	scanned   bool              // at least once
	looks     uint32            // full looks so far
	ready     bool              // the first pass is over
	problems  map[string]string // what could not be looked at, by path
	until     time.Time         // RunOnce retries until then

	// What comes back to the loop.
	scans    chan scan
	observed chan []observation
	answers  chan answer
	placed   chan []placed
	calls    chan func()
	wake     chan struct{}  // news has grown
	ended    chan struct{}  // closed when the state changes no more
	work     sync.WaitGroup // goroutines that the loop has started

	// elsewhere maps staple files that are not beside their certificates
	// to them. The watcher reads it.
	elsewhere  sync.Map
	stapleDirs map[string]bool // where they are
	mu         sync.Mutex
	explicit   map[string]bool // paths that the user named as they are
	clock      clock
	proofs     proofs
	keyTypes   keyTypes
	tally      Tally
	news       []laneNews             // from the lanes; mu
	hosts      map[string]*hostRecord // by host; those that there is something to say of
	flights    issuerFlights
	slow       map[string]bool // responders whose clock is far from ours
	drawn      time.Time       // when progress was last told
}

// New makes an agent and starts nothing.
func New(o Options) (*Agent, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	a := &Agent{
		o:      o,
		log:    o.Log,
		client: o.Client,
		verifiers: map[bool]*staple.Verifier{
			false: staple.NewVerifier(staple.Options{}),
			true:  staple.NewVerifier(staple.Options{Strict: true}),
		},
		targets:    make(map[targetKey]*target),
		owners:     make(map[string]*target),
		subjects:   make(map[subjectKey]*subject),
		blocked:    make(map[string]blockage),
		touches:    make(map[*target]time.Time),
		problems:   make(map[string]string),
		stapleDirs: make(map[string]bool),
		scans:      make(chan scan),
		observed:   make(chan []observation),
		answers:    make(chan answer),
		placed:     make(chan []placed),
		calls:      make(chan func()),
		wake:       make(chan struct{}, 1),
		ended:      make(chan struct{}),
		slow:       make(map[string]bool),
		hosts:      make(map[string]*hostRecord),
		flights:    issuerFlights{make(map[string][]subjectKey), make(map[string]time.Time)},
		keyTypes:   newKeyTypes(),
		tally:      Tally{States: make(map[State]int)},
		explicit:   make(map[string]bool),
	}
	a.host, _ = os.Hostname() // only a seed for jitter
	lanes := o.Lanes
	lanes.Down, lanes.Revived = a.onDown, a.onRevived
	a.lanes = responder.NewLanes(lanes)
	a.proofs = proofs{due: make(chan struct{}, 1), last: make(map[string]prove.Finding), misnamed: make(map[string]bool),
		retold: make(map[retold]watcher.Stamp)}
	a.placer = newPlacer(a.placed, o.Log)
	var err error
	if a.issuers, err = openIssuerCache(&o); err != nil {
		return nil, fmt.Errorf("cache of issuers: %w", err)
	}
	var sources []watcher.Source
	for i, g := range o.Groups {
		for _, s := range g.Sources {
			sources = append(sources, s)
			a.groupOf = append(a.groupOf, i)
			a.explicit[s.Path] = true // a directory is never a certificate
		}
		a.loaders = append(a.loaders, chain.NewLoader(chain.LoaderOptions{IssuerDirs: a.issuers.dirs(g.IssuerDirs)}))
		for _, q := range g.Hooks {
			if !slices.Contains(a.queues, q) {
				a.queues = append(a.queues, q)
			}
		}
	}
	// A server that no certificate is told to is no concern of ours.
	a.o.Held = slices.DeleteFunc(slices.Clone(o.Held), func(h Held) bool { return !slices.Contains(a.queues, h.Queue) })
	if a.memory, err = openMemory(&o); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	claimsDir := o.StateDir
	if o.LookOnly {
		claimsDir = "" // nobody is asked
	}
	if a.claims, err = openClaims(claimsDir); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	a.watch, err = watcher.New(watcher.Options{
		Sources:  sources,
		Rescan:   o.Rescan,
		StapleOf: a.certOf,
		Ignore:   o.Ignore,
		Log:      o.Log,
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Run keeps staples fresh until ctx is done. What is on its way then is
// finished or left as it was; hooks that could not be told keep their mark on
// disk for the next start. The error is nil after a clean end.
func (a *Agent) Run(ctx context.Context) error {
	changes := make(chan watcher.Change, 1)
	return a.run(ctx, true, func(ctx context.Context, start func(func(context.Context) error)) error {
		start(func(ctx context.Context) error { return a.watch.Run(ctx, changes) })
		if a.proves() {
			start(a.proveLoop)
		}
		for _, h := range a.o.Held {
			start(func(ctx context.Context) error { return a.heal(ctx, h) })
		}
		return a.loop(ctx, changes, false)
	})
}

// RunOnce makes one pass: every certificate is looked at, what is due is asked
// for and put in place, hooks are told, once. It returns how all certificates
// stand; the error is about the pass, not about them. A hook that fails is an
// error, and is told again by the next pass.
func (a *Agent) RunOnce(ctx context.Context) ([]Certificate, error) {
	var report []Certificate
	err := a.run(ctx, false, func(ctx context.Context, _ func(func(context.Context) error)) error {
		if a.o.Wait > 0 {
			a.until = wall().Add(a.o.Wait)
		}
		err := a.loop(ctx, nil, true)
		report = a.report(wall())
		return err
	})
	if err != nil || a.o.DryRun {
		return report, err
	}
	if a.o.LookOnly {
		return report, nil
	}
	for _, h := range a.o.Held {
		if _, e := h.Holder.Identity(ctx); errors.Is(e, fs.ErrNotExist) {
			if h.Expected {
				sayAbsent(a.log.With("hook", h.Queue.Name()), e)
			}
			continue // it reads the files when it starts
		}
		if e := a.healOnce(ctx, h); e != nil {
			a.log.Error("what the server holds cannot be compared with the staples on disk", "hook", h.Queue.Name(), "err", e)
			err = errors.Join(err, &HookError{h.Queue.Name(), e})
		}
	}
	for _, q := range a.queues {
		if e := q.Flush(ctx); e != nil {
			err = errors.Join(err, &HookError{q.Name(), e})
		}
	}
	if a.proves() {
		again, e := a.proveAll(ctx, true)
		if again {
			for _, q := range a.queues {
				_ = q.Flush(ctx) // it logs why not, and the proof shows it
			}
			_, e = a.proveAll(ctx, true)
		}
		if e != nil {
			err = errors.Join(err, &ProofError{e})
		}
	}
	return report, err
}

// Close lets go of what New has opened, for an agent that is never run.
func (a *Agent) Close() {
	a.claims.close()
	a.issuers.close()
}

// proves reports whether any address is to be proven.
func (a *Agent) proves() bool {
	return slices.ContainsFunc(a.o.Groups, func(g Group) bool { return len(g.Prove) > 0 })
}

// HookError says that a hook could not be told, which its queue has logged.
// What it was to be told is kept for the next pass.
type HookError struct {
	Hook string
	Err  error
}

func (e *HookError) Error() string { return e.Err.Error() }

// Unwrap returns what the hook's action said.
func (e *HookError) Unwrap() error { return e.Err }

// ProofError says that a server does not serve what is on disk, which has been
// logged.
type ProofError struct{ Err error }

func (e *ProofError) Error() string { return e.Err.Error() }

// Unwrap returns what each server serves instead.
func (e *ProofError) Unwrap() error { return e.Err }

// run owns the goroutines around the loop: they end after it, and what they
// still had for it is dropped.
func (a *Agent) run(ctx context.Context, tell bool, body func(context.Context, func(func(context.Context) error)) error) error {
	defer a.claims.close()
	defer a.issuers.close()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	// Hooks are told until nothing more can change.
	telling, silence := context.WithCancel(context.WithoutCancel(ctx))
	defer silence()
	var group, tellers sync.WaitGroup
	failures := make(chan error, len(a.queues)+len(a.o.Held)+4)
	start := func(f func(context.Context) error) {
		group.Go(func() {
			if err := f(inner); err != nil && inner.Err() == nil {
				failures <- err
				cancel()
			}
		})
	}
	if tell {
		for _, q := range a.queues {
			tellers.Go(func() { _ = q.Run(telling) }) // it only ends with its context
		}
	}
	start(a.lanes.Run)
	start(a.placer.run)
	err := body(inner, start)
	cancel()
	done := make(chan struct{})
	go func() {
		group.Wait()
		a.work.Wait()
		silence()
		tellers.Wait()
		close(done)
	}()
	a.drain(done)
	close(a.ended)
	saved := a.memory.save(a.failures())
	select {
	case failure := <-failures:
		return failure
	default:
	}
	return cmp.Or(err, saved)
}

// drain takes what goroutines still send to the loop until they have ended.
func (a *Agent) drain(done <-chan struct{}) {
	for {
		select {
		case <-a.scans:
		case <-a.observed:
		case <-a.answers:
		case done := <-a.placed:
			for _, p := range done {
				if p.path == "" {
					a.noteTold(p)
				}
			}
		case f := <-a.calls:
			f()
		case <-done:
			return
		}
	}
}

// wall is the wall clock without its monotonic reading: a machine that was
// suspended has to notice.
func wall() time.Time { return time.Now().Round(0) }
