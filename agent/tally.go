package agent

import (
	"context"
	"maps"
)

// Tally counts certificates.
type Tally struct {
	States  map[State]int
	Failing int // those with which not all is well
}

// Tally asks the running loop how many certificates stand how. It costs the same
// for any number of them, and its answer shows that the loop is alive. It
// returns false if ctx is done first.
func (a *Agent) Tally(ctx context.Context) (Tally, bool) {
	t := Tally{States: make(map[State]int)}
	answered := false
	a.onLoop(ctx, func() {
		maps.Copy(t.States, a.tally.States)
		t.Failing = a.tally.Failing
		answered = true
	})
	return t, answered
}

// counted is what a target counts as: OK depends on both.
type counted struct {
	state      State
	mustStaple bool
}

// count notes that t stands so. It is called wherever that may have changed, so
// that nobody has to go through a hundred thousand every few seconds.
func (a *Agent) count(t *target, s State) {
	now := counted{s, mustStaple(t)}
	if now == t.counted {
		return
	}
	a.tally.add(t.counted, -1)
	a.tally.add(now, 1)
	t.counted = now
}

func (t *Tally) add(c counted, n int) {
	if c.state == notACandidate {
		return
	}
	if t.States[c.state] += n; t.States[c.state] == 0 {
		delete(t.States, c.state)
	}
	if !c.state.OK(c.mustStaple) {
		t.Failing += n
	}
}
