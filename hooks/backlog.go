package hooks

import (
	"slices"
	"time"
)

// backlog is what waits for delivery. A hook that fails for days is told the
// last state of each file, not every step to it, so a backlog grows with the
// number of certificates only.
type backlog struct {
	changes []Change
	index   map[subject]int // into changes
	marks   []*mark
	first   time.Time // when the oldest came in
	last    time.Time // when the youngest came in
}

// subject is what a later change supersedes an earlier one of.
type subject struct {
	revoked bool // a page about a revocation stands beside the reload
	cert    string
	staple  string
}

func (b *backlog) empty() bool { return len(b.changes) == 0 && len(b.marks) == 0 }

// add puts changes and their mark, which may be nil, in line.
func (b *backlog) add(m *mark, changes []Change, now time.Time) {
	if b.empty() {
		b.first = now
	}
	b.last = now
	if m != nil {
		b.marks = append(b.marks, m)
	}
	if b.index == nil {
		b.index = make(map[subject]int)
	}
	for _, c := range changes {
		key := subject{c.Event == Revoked, c.Cert, c.Staple}
		if i, ok := b.index[key]; ok {
			b.changes[i] = c
			continue
		}
		b.index[key] = len(b.changes)
		b.changes = append(b.changes, c)
	}
}

// before puts what came in earlier in front of b again.
func (b *backlog) before(earlier backlog) {
	later := *b
	*b = earlier
	if later.empty() {
		return
	}
	b.add(nil, later.changes, later.last)
	b.marks = slices.Concat(b.marks, later.marks)
}

// dueAt says when a backlog is to be delivered: after a pause of delay, but
// no more than most after its first change, and never before notBefore.
func dueAt(first, last, notBefore time.Time, delay, most time.Duration) time.Time {
	at := last.Add(delay)
	if latest := first.Add(most); latest.Before(at) {
		at = latest
	}
	if at.Before(notBefore) {
		at = notBefore
	}
	return at
}
