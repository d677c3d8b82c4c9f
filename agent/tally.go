package agent

import "context"

// Tally counts certificates.
type Tally struct {
	States  map[State]int
	Failing int // those with which not all is well
}

// Tally asks the running loop how many certificates stand how. It costs much
// less than Certificates, and its answer shows that the loop is alive. It
// returns false if ctx is done first.
func (a *Agent) Tally(ctx context.Context) (Tally, bool) {
	t := Tally{States: make(map[State]int)}
	answered := false
	a.onLoop(ctx, func() {
		now := wall()
		for _, target := range a.targets {
			s := stateOf(target, now)
			if s == notACandidate {
				continue
			}
			t.States[s]++
			if !s.OK(mustStaple(target)) {
				t.Failing++
			}
		}
		answered = true
	})
	return t, answered
}
