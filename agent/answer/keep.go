package answer

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// Nobody can make a keeper do more than this, whatever he asks.
const (
	maxEntries = 1 << 16 // responses, and certificates of which nothing is known
	maxKept    = 3 << 14 // responses; the rest is for what is asked about anew
	maxFlights = 1024    // requests to responders that wait or are on their way

	// New certificates that are asked about per second: of one client, and
	// of all. The bursts are for a fleet that starts.
	clientRate, clientBurst = 50, 1000
	allRate, allBurst       = 200, 4000

	// waitTime is how long a client waits for a responder. Apache gives up
	// after 10 s.
	waitTime = 9 * time.Second

	// spareSize is how large a response may be that is kept in memory only.
	spareSize = 4 << 10
)

// keeper asks responders on behalf of clients and keeps what they say, in files
// that are verified when they are read. It is safe for concurrent use.
type keeper struct {
	dir        string // state directory; "": in memory only
	client     *responder.Client
	asking     func(host string) agent.Asking
	shelf      *shelf
	verifiers  map[bool]*staple.Verifier
	lanes      *responder.Lanes
	gate       *schedule.Cron
	counters   *counters
	log        *slog.Logger
	clients    *limits
	all        *rate.Limiter
	limit      int // of entries
	keepLimit  int // of those of which there is a response
	wake       chan struct{}
	done       chan struct{} // closed when run has ended
	unwritable atomic.Bool   // the last file could not be written
	files      sync.RWMutex  // locked while one is removed, read-locked while one is written

	mu      sync.Mutex
	entries map[keptKey]*entry
	due     schedule.Queue[*entry]
	flights int
	kept    int      // entries of which there is a response
	spares  int      // entries with one in memory only
	trash   []string // files that are to go
}

// entry is what is known of one certificate by one hash. The lock of its keeper
// guards what can change.
type entry struct {
	schedule.Slot // when to look at it next

	key  keptKey
	path string // "": in memory only
	seed [sha256.Size]byte

	source   *source
	chain    *chain.Chain
	held     responder.Validators
	this     time.Time // of what is kept; zero: nothing
	ends     time.Time
	hasNext  bool
	asked    time.Time // when a client last did
	fetched  time.Time // when a responder was last asked
	attempts int       // that have failed since
	damaged  bool      // its file was there and held no answer

	// What a client is told if nothing is kept, until it is asked for again.
	pause  time.Time
	status status
	spare  *page // what is not on disk: unknown, or no file could be written

	flight *flight // on its way
}

// newKeeper makes a keeper that keeps nothing yet.
func newKeeper(o *Options, shelf *shelf, verifiers map[bool]*staple.Verifier, c *counters) *keeper {
	return &keeper{
		dir: o.StateDir, client: o.Client, asking: o.Asking, shelf: shelf, verifiers: verifiers,
		lanes: o.Lanes, gate: o.Schedule, counters: c, log: o.Log,
		clients: newLimits(clientRate, clientBurst), all: rate.NewLimiter(allRate, allBurst), limit: maxEntries, keepLimit: maxKept,
		wake: make(chan struct{}, 1), done: make(chan struct{}), entries: make(map[keptKey]*entry),
	}
}

// wanted is what a client asks for.
type wanted struct {
	key    keptKey
	source *source
	chain  *chain.Chain // nil: only the serial is known
	remote string
}

// get returns what is kept, or asks for it. A client whose request it is that
// nothing was kept, and one that comes while it is asked for, wait.
func (k *keeper) get(ctx context.Context, w wanted, now time.Time) (*page, status) {
	e, admitted := k.entry(w, now)
	if e == nil && k.ended() {
		return nil, ended
	}
	if e == nil {
		k.counters.limited.Add(1)
		return nil, tryLater
	}
	if p := k.look(e, now); p != nil {
		k.counters.hits.Add(1)
		return p, 0
	}
	k.counters.misses.Add(1)
	f, p, s := k.fly(e, admitted, w.remote, now)
	if s == landed {
		if p = k.look(e, wall()); p == nil {
			s = tryLater // and has gone again
		}
	}
	if f == nil {
		return p, s
	}
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	select {
	case <-f.done:
		return f.page, f.status
	case <-k.done:
		return nil, ended
	case <-ctx.Done():
		return nil, tryLater // the answer will be there when it is asked for again
	}
}

// entry finds or makes the entry for what is wanted; nil if there are too many,
// or if the client may not have a new one asked about. It says whether that was
// counted.
func (k *keeper) entry(w wanted, now time.Time) (e *entry, admitted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e = k.entries[w.key]
	if e == nil {
		if !k.admits(w.remote, now) || !k.makeRoom(now) {
			return nil, false
		}
		admitted = true
		e = k.add(w)
		e.At = now.Add(forgetTime)
		k.due.Set(e)
	}
	e.asked = now
	e.source = w.source
	if w.chain != nil && e.chain.Leaf.Fingerprint != w.chain.Leaf.Fingerprint {
		e.chain = w.chain
	}
	return e, admitted
}

// admits reports whether a client may have one more request made. The caller has
// the lock.
func (k *keeper) admits(remote string, now time.Time) bool {
	return !k.ended() && k.flights < maxFlights && k.clients.allow(remote, now) && k.all.AllowN(now, 1)
}

// ended reports whether nobody is asked any more.
func (k *keeper) ended() bool {
	select {
	case <-k.done:
		return true
	default:
		return false
	}
}

// add makes an entry. The caller has the lock.
func (k *keeper) add(w wanted) *entry {
	e := &entry{key: w.key, source: w.source, chain: w.chain}
	e.seed = sha256.Sum256([]byte(w.key.path("")))
	if e.chain == nil {
		e.chain = w.source.chainOf(w.key.serial)
	}
	if k.dir != "" {
		e.path = w.key.path(k.dir)
	}
	k.entries[w.key] = e
	return e
}

// look returns what is kept for e, if it may be given out.
func (k *keeper) look(e *entry, now time.Time) *page {
	k.mu.Lock()
	c, spare, v := e.chain, e.spare, k.verifiers[e.source.strict]
	if e.this.IsZero() {
		spare = nil // that one is not kept: see fly
	}
	k.mu.Unlock()
	var p *page
	if e.path != "" {
		p = k.shelf.read(e.path, c, v, now)
	}
	if p == nil || !usable(p.Staple, c.Leaf, now) || p.Hash != e.key.hash {
		if spare == nil || spare.Status == staple.Unknown || !usable(spare.Staple, c.Leaf, now) {
			return nil
		}
		p = spare
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !e.this.Equal(p.ThisUpdate) || !e.ends.Equal(p.Expires) {
		k.note(e, p, now)
		k.schedule(e)
	}
	return p
}

// note takes down what is kept. The caller has the lock.
func (k *keeper) note(e *entry, p *page, now time.Time) {
	if e.this.IsZero() {
		k.kept++
	}
	e.this, e.ends, e.hasNext = p.ThisUpdate, p.Expires, !p.NextUpdate.IsZero()
	if e.fetched.IsZero() {
		// Found on disk: when it was asked for is not known, but that was
		// not before it was made.
		e.fetched = p.ThisUpdate
		if now.Before(e.fetched) {
			e.fetched = now
		}
	}
}

// count returns how many responses are kept.
func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept
}
