package responder

import (
	"container/heap"
	"context"
	"time"
)

const (
	// quickStep is by how much a good answer raises the limit at first: with
	// 3, each round of answers makes it four times as large.
	quickStep = 3
	// silentStreak is after how many jobs without an answer in a row a
	// responder counts as down; a failing probe alone tells it, too.
	silentStreak = 6
	// badStreak is the same with refusals among them. It is larger because
	// some responders answer 500 for some certificates only.
	badStreak = 32
	// probeFirst is the pause before the first probe of a responder that
	// is down. Each pause after it is probeFactor times as long.
	probeFirst  = time.Second
	probeFactor = 4
	probeMax    = time.Minute
	// holdMax bounds for how long a Retry-After closes a lane. It came with
	// the answer about one certificate, often from something in between
	// that knows nothing of the others; whoever asked may wait longer.
	holdMax = 10 * time.Minute
	// forgetAfter is when a lane that is down is given up: who still has
	// something to ask there comes back within an hour.
	forgetAfter = 24 * time.Hour
)

// lane is the queue of one responder and the limit that its answers have
// earned it. It decides and does nothing: Lanes starts the jobs.
type lane struct {
	host  string
	max   int
	every time.Duration // between two starts; 0: no rate
	queue jobs
	// pressing are the jobs that a hold would keep too long: they go
	// through it one at a time, with the pauses of probes.
	pressing jobs

	limit    int
	inFlight int
	target   int // up to it the limit grows with each good answer, above with each limit of them
	earned   int // good answers since the limit last grew

	started int // jobs ever
	cut     int // started when the limit was last halved

	silent, bad int // in a row
	down        bool
	pause       time.Duration // the last one between probes
	openAt      time.Time     // no job before: probes and the rate

	heldUntil time.Time     // the responder asked for it
	heldTurn  int           // started when it did: only an answer to a later job lifts the hold
	passAt    time.Time     // no pressing job before
	passPause time.Duration // the last one between two of them

	used time.Time // when a job last came

	waiting bool // for the global limit
	timer   *time.Timer
}

func newLane(host string, start int, limits LaneLimits) *lane {
	n := &lane{host: host, max: limits.Max, target: limits.Max, limit: min(start, limits.Max)}
	if limits.Rate > 0 {
		// Bounded, since a Duration would overflow at next to nothing.
		n.every = time.Duration(min(float64(time.Second)/limits.Rate, float64(time.Hour)))
	}
	return n
}

// closedUntil returns when a lane that is down or held opens again; zero for
// an open one.
func (n *lane) closedUntil(now time.Time) time.Time {
	until := n.heldUntil
	if n.down && n.openAt.After(until) {
		until = n.openAt
	}
	if until.After(now) {
		return until
	}
	return time.Time{}
}

// passes returns when a pressing job may go although the lane is held.
func (n *lane) passes() time.Time {
	at := n.passAt
	if n.heldUntil.Before(at) {
		at = n.heldUntil
	}
	if n.openAt.After(at) {
		at = n.openAt
	}
	return at
}

// ready reports whether a job may start. If only time is in the way, at is
// when it no longer is.
func (n *lane) ready(now time.Time) (ok bool, at time.Time) {
	if n.queued() == 0 || n.inFlight >= n.limit {
		return false, time.Time{}
	}
	at = n.openAt
	switch {
	case !n.heldUntil.After(now):
	case len(n.pressing) > 0 && n.inFlight > 0:
		return false, time.Time{} // the end of that one decides
	case len(n.pressing) > 0:
		at = n.passes()
	case n.heldUntil.After(at):
		at = n.heldUntil
	}
	return !now.Before(at), at
}

func (n *lane) queued() int { return len(n.queue) + len(n.pressing) }

// submit queues a job.
func (n *lane) submit(j *job, now time.Time) {
	n.used = now
	if n.presses(j, now) {
		heap.Push(&n.pressing, j)
		return
	}
	heap.Push(&n.queue, j)
}

// presses reports whether waiting for the end of a hold would take more than
// half of the time that is left for a job.
func (n *lane) presses(j *job, now time.Time) bool {
	left := j.urgency.Sub(now)
	return n.heldUntil.After(now) && left > 0 && left/2 < n.heldUntil.Sub(now)
}

// start takes the most urgent job out of the queue.
func (n *lane) start(now time.Time) (j *job, turn int) {
	n.inFlight++
	n.started++
	if n.every > 0 {
		n.openAt = now.Add(n.every)
	}
	if len(n.pressing) == 0 {
		return heap.Pop(&n.queue).(*job), n.started
	}
	if n.heldUntil.After(now) {
		n.passPause = min(n.passPause*probeFactor, probeMax)
		n.passAt = now.Add(n.passPause)
	}
	return heap.Pop(&n.pressing).(*job), n.started
}

// finish counts the verdict of the job that had the given turn, and reports
// whether the responder has come back, from being down or before the end of a
// hold.
func (n *lane) finish(v Verdict, turn int, now time.Time) (revived bool) {
	wanted := n.inFlight >= n.limit || n.queued() > 0
	n.inFlight--
	switch v {
	case LaneGood:
		n.silent, n.bad = 0, 0
		revived, n.down, n.pause = n.down, false, 0
		if n.heldUntil.After(now) && turn > n.heldTurn {
			revived, n.heldUntil = true, time.Time{}
		}
		if wanted {
			n.grow()
		}
	case LaneOverloaded, LaneSilent:
		n.bad++
		n.silent++
		if v == LaneOverloaded {
			n.silent = 0
		}
		n.shrink(v, turn, now)
	}
	return revived
}

// grow raises the limit of a lane that makes use of it: quickly up to what was
// too much the last time, or to the maximum; slowly after that.
func (n *lane) grow() {
	n.earned++
	switch {
	case n.limit < n.target:
		n.limit = min(n.limit+quickStep, n.target)
		n.earned = 0
	case n.limit < n.max && n.earned >= n.limit:
		n.limit++
		n.earned = 0
	}
}

// shrink halves the limit, once for all the jobs that were in flight together:
// they tell of the same moment.
func (n *lane) shrink(v Verdict, turn int, now time.Time) {
	fresh := turn > n.cut
	if n.down && !fresh {
		return // a straggler from before
	}
	last := fresh && n.limit == 1 && v == LaneSilent
	if fresh {
		n.limit = max(1, n.limit/2)
		n.target, n.earned, n.cut = n.limit, 0, n.started
	}
	if n.down || last || n.silent >= silentStreak || n.bad >= badStreak {
		// What was too much before it went down says little about
		// what it can do when it is back.
		n.limit, n.target, n.down = 1, max(2, n.max/2), true
		n.pause = min(max(probeFirst, n.pause*probeFactor), probeMax)
		n.openAt = now.Add(n.pause)
		n.cut = n.started
	}
}

// hold keeps the lane closed, at the responder's wish, but for what cannot
// wait.
func (n *lane) hold(wait time.Duration, now time.Time) {
	if !n.heldUntil.After(now) {
		n.passPause, n.passAt = probeFirst, now.Add(probeFirst)
	}
	if until := now.Add(min(wait, holdMax)); until.After(n.heldUntil) {
		n.heldUntil = until
	}
	n.heldTurn = n.started
	queue := n.queue
	n.queue = nil
	for _, j := range queue {
		n.submit(j, now)
	}
}

// idle reports whether nothing would be lost with the lane.
func (n *lane) idle(now time.Time) bool {
	return n.queued() == 0 && n.inFlight == 0 && !n.heldUntil.After(now) &&
		(!n.down || now.Sub(n.used) > forgetAfter)
}

// job is a call that waits in a lane.
type job struct {
	urgency time.Time
	turn    uint64 // of those with one urgency, first come, first served
	call    func(context.Context) Verdict
}

// jobs is a heap, the most urgent one first.
type jobs []*job

func (q jobs) Len() int { return len(q) }
func (q jobs) Less(i, k int) bool {
	if c := q[i].urgency.Compare(q[k].urgency); c != 0 {
		return c < 0
	}
	return q[i].turn < q[k].turn
}
func (q jobs) Swap(i, k int) { q[i], q[k] = q[k], q[i] }
func (q *jobs) Push(x any)   { *q = append(*q, x.(*job)) }
func (q *jobs) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
