package responder

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"sync"
	"time"
)

// LaneOptions are the limits of lanes. All of it may be zero.
type LaneOptions struct {
	Start  int     // jobs in flight per lane at first; 0: 4
	Max    int     // and at most; 0: 32
	Rate   float64 // jobs started per second and lane; 0: as they come
	Global int     // jobs in flight in all lanes, without the first of each; 0: 256

	// Patience is how long jobs wait for a responder that is down or asked
	// to be left alone. When it is for longer they are handed back, since
	// they may have another responder to ask. 0: 10 s; negative: at once.
	Patience time.Duration

	// Override returns the limits of one host; zero fields are as above.
	// May be nil.
	Override func(host string) LaneLimits

	// Down is called when a responder is found to be down, with how many
	// jobs wait for it. Revived is called when it answers again, or before
	// the time until which it wanted to be left alone. They must neither
	// block nor call Lanes. May be nil.
	Down    func(host string, waiting int)
	Revived func(host string)
}

// LaneLimits are the limits of one lane.
type LaneLimits struct {
	Max  int
	Rate float64
}

const (
	// firstsPerGlobal bounds the jobs that are each the first of their
	// lane, as a multiple of the global limit. Only certificates with
	// more responders than a company has get there.
	firstsPerGlobal = 4
	// manyLanes is when idle lanes begin to be forgotten.
	manyLanes = 1024
	// sweepEvery is how often those are looked for that are idle and down:
	// nothing happens in them that would show it.
	sweepEvery = time.Hour
)

// Lanes gives each responder host its own queue and its own limit of jobs in
// flight, so that one that is slow or dead delays no other. The limit follows
// the answers: see lane.
type Lanes struct {
	o LaneOptions

	mu      sync.Mutex
	ctx     context.Context // of Run while it runs, else nil
	lanes   map[string]*lane
	turn    uint64
	firsts  int     // lanes with a job in flight
	extra   int     // jobs in flight beyond the first of their lane
	waiting []*lane // for room under the global limit, in order
	swept   time.Time
	jobs    sync.WaitGroup
}

// NewLanes returns lanes that start nothing before Run.
func NewLanes(o LaneOptions) *Lanes {
	o.Start = cmp.Or(max(0, o.Start), 4)
	o.Max = cmp.Or(max(0, o.Max), 32)
	o.Global = cmp.Or(max(0, o.Global), 256)
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	return &Lanes{o: o, lanes: make(map[string]*lane)}
}

// Submit queues a job in the lane of host, the one with the earliest urgency
// first. It never blocks. The job is called once, when its turn comes or to be
// handed back: then FetchIssuer and Ask with its context return an error of
// KindDown at once. What is still queued when Run ends is not called.
func (l *Lanes) Submit(host string, urgency time.Time, call func(context.Context) Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	n := l.lane(host)
	l.turn++
	n.submit(&job{urgency: urgency, turn: l.turn, call: call}, now)
	l.pump(n)
	if now.Sub(l.swept) > sweepEvery {
		l.sweep(now)
	}
}

// sweep forgets the lanes of responders that are down and that nobody asks any
// more.
func (l *Lanes) sweep(now time.Time) {
	l.swept = now
	for host, n := range l.lanes {
		if n.down && n.idle(now) {
			n.stop()
			delete(l.lanes, host)
		}
	}
}

// Hold keeps the lane of host closed for as long as its responder asked, by
// Retry-After, but for ten minutes at most. Jobs that would wait for more than
// half of the time until their urgency go through, one at a time; the first
// good answer to one of them opens the lane.
func (l *Lanes) Hold(host string, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lane(host)
	n.hold(wait, time.Now())
	l.pump(n)
}

// Run starts jobs until ctx is done, which is also their context's end, and
// returns when all of them have returned. It is called once.
func (l *Lanes) Run(ctx context.Context) error {
	l.mu.Lock()
	l.ctx = ctx
	for _, n := range l.lanes {
		l.pump(n)
	}
	l.mu.Unlock()

	<-ctx.Done()

	l.mu.Lock()
	l.ctx = nil
	for _, n := range l.lanes {
		n.stop()
	}
	l.mu.Unlock()
	l.jobs.Wait()
	return nil
}

// Snapshot returns what each lane is doing, by host.
func (l *Lanes) Snapshot() []LaneState {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	list := make([]LaneState, 0, len(l.lanes))
	for _, n := range l.lanes {
		list = append(list, n.state(now))
	}
	slices.SortFunc(list, func(a, b LaneState) int { return cmp.Compare(a.Host, b.Host) })
	return list
}

func (l *Lanes) lane(host string) *lane {
	if n := l.lanes[host]; n != nil {
		return n
	}
	limits := LaneLimits{}
	if l.o.Override != nil {
		limits = l.o.Override(host)
	}
	limits.Max = cmp.Or(max(0, limits.Max), l.o.Max)
	limits.Rate = cmp.Or(limits.Rate, l.o.Rate)
	n := newLane(host, l.o.Start, limits)
	l.lanes[host] = n
	return n
}

// pump starts what may start in a lane. The caller holds the lock.
func (l *Lanes) pump(n *lane) {
	if l.ctx == nil || l.ctx.Err() != nil {
		return
	}
	for now := time.Now(); ; {
		if until := n.closedUntil(now); until.Sub(now) > l.o.Patience {
			l.handBack(n, &n.queue, until)
			if until = n.passes(); until.Sub(now) > l.o.Patience {
				l.handBack(n, &n.pressing, until)
			}
		}
		ok, at := n.ready(now)
		if !ok {
			if !at.IsZero() {
				l.wakeAt(n, at.Sub(now))
			}
			return
		}
		if !l.room(n) {
			if !n.waiting {
				n.waiting = true
				l.waiting = append(l.waiting, n)
			}
			return
		}
		l.start(n, now)
	}
}

// room reports whether the limits over all lanes allow one more job in n. A
// lane always gets its first, or others could keep it out by hanging.
func (l *Lanes) room(n *lane) bool {
	if n.inFlight == 0 {
		return l.firsts < firstsPerGlobal*l.o.Global
	}
	return l.extra < l.o.Global
}

func (l *Lanes) start(n *lane, now time.Time) {
	if n.inFlight == 0 {
		l.firsts++
	} else {
		l.extra++
	}
	j, turn := n.start(now)
	ctx := l.ctx
	l.jobs.Go(func() { l.finish(n, turn, j.call(ctx)) })
}

func (l *Lanes) finish(n *lane, turn int, v Verdict) {
	l.mu.Lock()
	now := time.Now()
	wasDown := n.down
	revived := n.finish(v, turn, now)
	fell, waiting := n.down && !wasDown, n.queued()
	if n.inFlight == 0 {
		l.firsts--
	} else {
		l.extra--
	}
	l.pump(n)
	l.pumpWaiting()
	if len(l.lanes) > manyLanes && n.idle(now) {
		n.stop()
		delete(l.lanes, n.host)
	}
	// Under the lock, so that they are told in the order of what happened.
	if fell && l.o.Down != nil {
		l.o.Down(n.host, waiting)
	}
	if revived && l.o.Revived != nil {
		l.o.Revived(n.host)
	}
	l.mu.Unlock()
}

// pumpWaiting gives room to the lanes that wait for it, in their order.
func (l *Lanes) pumpWaiting() {
	for range len(l.waiting) {
		n := l.waiting[0]
		l.waiting = l.waiting[1:]
		n.waiting = false
		l.pump(n)
	}
}

// handBack calls everything in one of the lane's queues without a turn.
func (l *Lanes) handBack(n *lane, from *jobs, until time.Time) {
	queue := *from
	*from = nil
	if len(queue) == 0 {
		return
	}
	sort.Sort(queue)
	ctx := context.WithValue(l.ctx, downKey{}, &DownError{
		Host: n.host, Until: until, Held: !n.down || n.heldUntil.Equal(until),
	})
	l.jobs.Go(func() {
		for _, j := range queue {
			_ = j.call(ctx) // it asked nothing, so it has nothing to say
		}
	})
}

func (l *Lanes) wakeAt(n *lane, in time.Duration) {
	n.stop()
	n.timer = time.AfterFunc(in, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.pump(n)
	})
}

func (n *lane) stop() {
	if n.timer != nil {
		n.timer.Stop()
	}
}
