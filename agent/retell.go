package agent

import (
	"context"
	"slices"

	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
)

// retell has the hooks of a group told again of what its servers should have
// read and have not: a server that is just starting, or reloading, can lose a
// signal. It does so once for what is on disk, since a server that never
// serves it would be reloaded for ever. It reports whether any hook is told.
func (a *Agent) retell(ctx context.Context, group int, wrong []prove.Finding) bool {
	queues := slices.DeleteFunc(slices.Clone(a.o.Groups[group].Hooks), func(q *hooks.Queue) bool {
		return q.State().Pending > 0 // it is about to be told anyway
	})
	if len(queues) == 0 {
		return false
	}
	var changes []hooks.Change
	a.onLoop(ctx, func() {
		said := make(map[*target]bool)
		for _, f := range wrong {
			for _, t := range a.unread(group, f) {
				if !said[t] {
					said[t] = true
					changes = append(changes, a.standing(t))
				}
			}
		}
	})
	told := false
	for _, q := range queues {
		if !slices.ContainsFunc(changes, func(c hooks.Change) bool { return q.Hears(c.Event) }) {
			continue
		}
		p, err := q.Promise(changes)
		if err != nil {
			a.log.Warn("hook is told, but not if this process is killed", "err", err)
		}
		p.Keep(changes)
		a.log.Warn("telling the hook again, as a server does not serve what is on disk", "hook", q.Name())
		told = true
	}
	return told
}

// unread returns the targets that a server should have read again, unless its
// hooks have been told so before.
func (a *Agent) unread(group int, f prove.Finding) []*target {
	if f.Same || f.Leaf == nil || f.Result == prove.NewerServed || f.Result == prove.Unreadable {
		return nil
	}
	since := wall().Add(-proofEvery)
	var found []*target
	var newest watcher.Stamp
	for _, t := range a.targets {
		if t.key.group != group || t.sub == nil {
			continue
		}
		ours := t.sub.key.leaf == f.Leaf.Fingerprint
		// It may still have the certificate that was there before.
		lately := f.Result == prove.OtherLeaf && t.disk.stamp.ModTime().After(since)
		if !ours && !lately {
			continue
		}
		found = append(found, t)
		if ours && t.disk.stamp.ModTime().After(newest.ModTime()) {
			newest = t.disk.stamp
		}
	}
	about := retold{leaf: f.Leaf.Fingerprint, staple: newest}
	if address := f.Address.String(); len(found) > 0 && a.proofs.retold[address] != about {
		a.proofs.retold[address] = about
		return found
	}
	return nil
}

// retold is what hooks were told of a second time.
type retold struct {
	leaf   [32]byte // that a server presented
	staple watcher.Stamp
}

// standing is the change after which a staple file is as it is now.
func (a *Agent) standing(t *target) hooks.Change {
	if !t.disk.current(wall()) {
		return a.change(t, hooks.Withdrawn)
	}
	c := a.change(t, hooks.Placed)
	c.Status, c.ThisUpdate, c.NextUpdate = string(t.disk.status), t.disk.this, t.disk.next
	return c
}
