package admin

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
)

const (
	// snapshotLife is for how long a snapshot is shown again: two scrapes
	// at once are one question to the loop.
	snapshotLife = time.Second

	// snapshotShare times what a snapshot took is for how long it is shown
	// at least, so that the loop gives at most a twentieth of its time to
	// those who watch it.
	snapshotShare = 20

	// snapshotTimeout bounds one question to the loop.
	snapshotTimeout = 10 * time.Second
)

var errNoAgent = errors.New("no agent runs yet")

// snapshot is how everything stood at one time. Nobody changes it.
type snapshot struct {
	at       time.Time
	certs    []agent.Certificate
	problems []string
	lanes    []responder.LaneState
	hooks    []hooks.QueueState
	proofs   []prove.Finding
	polling  bool
	why      string // it polls
	states   map[agent.State]int
	failing  int       // certificates that are not OK
	firstEnd time.Time // of all valid staples; zero if there are none
}

// snapshots takes a snapshot when somebody wants one and the last is too old.
type snapshots struct {
	turn chan struct{} // holds one token: whoever has it asks the source

	mu     sync.Mutex
	source Source
	last   *snapshot
	until  time.Time // last is good
}

func newSnapshots() *snapshots { return &snapshots{turn: make(chan struct{}, 1)} }

func (s *snapshots) setSource(src Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source, s.last = src, nil
}

func (s *snapshots) current() (Source, *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && time.Now().Before(s.until) {
		return s.source, s.last
	}
	return s.source, nil
}

// get returns a snapshot that is young enough.
func (s *snapshots) get(ctx context.Context) (*snapshot, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, snapshotTimeout, errors.New("the agent does not answer"))
	defer cancel()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	src, have := s.current()
	if have != nil {
		return have, nil
	}
	if src == nil {
		return nil, errNoAgent
	}
	start := time.Now()
	certs := src.Certificates(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	now := time.Now()
	made := summarize(certs, now)
	made.problems = src.Problems()
	made.lanes, made.hooks, made.proofs = src.Responders(), src.Hooks(), src.Proofs()
	made.polling, made.why = src.Polling()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source == src { // another one may have taken its place meanwhile
		s.last, s.until = made, now.Add(max(snapshotLife, snapshotShare*now.Sub(start)))
	}
	return made, nil
}

func summarize(certs []agent.Certificate, now time.Time) *snapshot {
	s := &snapshot{at: now, certs: certs, states: make(map[agent.State]int)}
	for i := range certs {
		c := &certs[i]
		s.states[c.State]++
		if !c.OK {
			s.failing++
		}
		if valid(c.State) && (s.firstEnd.IsZero() || c.Expires.Before(s.firstEnd)) {
			s.firstEnd = c.Expires
		}
	}
	return s
}

// valid reports whether a good staple that has not ended is in place.
func valid(s agent.State) bool {
	return s == agent.Fresh || s == agent.Late || s == agent.Ending
}

func (s *snapshot) report() Report {
	r := NewReport(s.certs, s.problems, s.at)
	r.Responders = s.lanes
	for _, h := range s.hooks {
		r.Hooks = append(r.Hooks, hookOf(h))
	}
	for _, f := range s.proofs {
		r.Served = append(r.Served, servedOf(f))
	}
	if s.polling {
		r.Polling = s.why
	}
	return r
}
