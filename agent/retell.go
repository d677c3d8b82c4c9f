package agent

import (
	"context"
	"slices"

	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
)

// retold names what a hook is told of a second time: a staple file that an
// address does not serve.
type retold struct {
	address string
	target  targetKey
}

// retell has hooks told again of what their servers should have read and have
// not, by the findings of each group: a server that is just starting, or
// reloading, can lose a signal. It does so once for what is on disk, since a
// server that never serves it would be reloaded for ever. It reports whether
// any hook is told.
func (a *Agent) retell(ctx context.Context, findings [][]prove.Finding) bool {
	missed := make(map[*hooks.Queue][]hooks.Change)
	for group, found := range findings {
		queues := slices.DeleteFunc(slices.Clone(a.o.Groups[group].Hooks), func(q *hooks.Queue) bool {
			return q.State().Pending > 0 // it is about to be told anyway
		})
		var changes []hooks.Change
		a.onLoop(ctx, func() {
			for _, f := range found {
				if f.Same {
					a.served(group, f)
				} else if len(queues) > 0 {
					changes = a.unread(changes, group, f)
				}
			}
		})
		for _, c := range changes {
			for _, q := range queues {
				if q.Hears(c.Event) {
					missed[q] = append(missed[q], c)
				}
			}
		}
	}
	for q, changes := range missed {
		p, err := q.Promise(changes)
		if err != nil {
			a.log.Warn("hook is told, but not if this process is killed", "err", err)
		}
		p.Keep(changes)
		a.log.Warn("telling the hook again, as a server does not serve what is on disk", "hook", q.Name())
	}
	return len(missed) > 0
}

// unread adds a change for each file that a server should have read again, and
// that its hooks have not been told of a second time.
func (a *Agent) unread(changes []hooks.Change, group int, f prove.Finding) []hooks.Change {
	if f.Leaf == nil || f.Result == prove.NewerServed || f.Result == prove.Unreadable {
		return changes
	}
	about := a.targetsOf(group, f.Leaf.Fingerprint)
	if f.Result == prove.OtherLeaf {
		about = a.replaced(group, f.Leaf.Name)
	}
	for _, t := range about {
		k := retold{f.Address.String(), t.key}
		if last, told := a.proofs.retold[k]; told && last == t.disk.stamp {
			continue
		}
		a.proofs.retold[k] = t.disk.stamp
		change := a.standing(t)
		if !slices.ContainsFunc(changes, func(c hooks.Change) bool { return c.Staple == change.Staple }) {
			changes = append(changes, change)
		}
	}
	return changes
}

// served takes note that an address serves a staple that came after the one
// its hooks were told of twice: if that has to go, they may be again. Where
// nothing is served nothing is noted: of several servers behind one address,
// another may still serve what was withdrawn, and is not to be reloaded for
// ever.
func (a *Agent) served(group int, f prove.Finding) {
	if f.Leaf == nil {
		return
	}
	for _, t := range a.targetsOf(group, f.Leaf.Fingerprint) {
		k := retold{f.Address.String(), t.key}
		if _, told := a.proofs.retold[k]; told && (t.disk.stamp != watcher.Stamp{}) {
			a.proofs.retold[k] = t.disk.stamp
		}
	}
	for k := range a.proofs.retold {
		if a.targets[k.target] == nil {
			delete(a.proofs.retold, k)
		}
	}
}

// targetsOf returns the files of a group that hold a leaf.
func (a *Agent) targetsOf(group int, leaf [32]byte) []*target {
	g := &a.o.Groups[group]
	s := a.subjects[subjectKey{leaf: leaf, responder: g.Responder, strict: g.Strict}]
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.targets), func(t *target) bool { return t.key.group != group })
}

// replaced returns the files of a group whose staple came lately, for a leaf of
// this name: a server that presents another leaf may not have read the renewed
// one.
func (a *Agent) replaced(group int, name string) []*target {
	since := wall().Add(-proofEvery)
	var found []*target
	for _, t := range a.targets {
		if t.key.group == group && t.sub != nil && t.sub.chain.Leaf.Name == name && t.disk.stamp.ModTime().After(since) {
			found = append(found, t)
		}
	}
	return found
}

// standing is the change after which a staple file is as it is now.
func (a *Agent) standing(t *target) hooks.Change {
	d := &t.disk
	if !d.lasts(wall()) {
		return a.change(t, hooks.Withdrawn)
	}
	c := a.change(t, hooks.Placed)
	c.Status, c.ThisUpdate, c.NextUpdate = string(d.status), d.this, d.next
	return c
}
