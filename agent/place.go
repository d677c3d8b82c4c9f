package agent

import (
	"context"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/writer"
)

// placement is a change of one staple file: a staple to put in place, a way to
// withdraw one, or only something to tell hooks.
type placement struct {
	key    targetKey
	path   string
	stamp  watcher.Stamp // of the certificate this is for
	was    watcher.Stamp // of the staple file that this replaces
	staple *staple.Staple
	mend   bool // the staple is there, only its snippet has to be written
	touch  bool // the staple is there, only its time has to change
	urgent bool // the file holds nothing good: it goes before others
	way    profile.Way
	cause  profile.Cause
	write  writer.Options

	snippet string // path; "": none
	text    []byte
	change  hooks.Change
	queues  []*hooks.Queue
}

// placed is what came of a placement.
type placed struct {
	placement
	disk    watcher.Stamp
	snip    watcher.Stamp // of the snippet
	changed bool
	moved   bool // the certificate or the staple file is not what it was: nothing was changed
	err     error
}

// place hands a change of the staple file of t to the placer.
func (a *Agent) place(t *target, p placement) {
	switch {
	case a.o.LookOnly:
		return
	case a.o.DryRun && p.mend:
		t.would = "write the snippet " + t.snippet
		return
	case a.o.DryRun && p.staple != nil:
		t.would = "place a staple valid until " + stamp(p.staple.Expires)
		return
	case a.o.DryRun:
		// Nothing is written, so that this is still due after the staple that
		// would end it.
		switch {
		case t.would != "":
		case p.cause == profile.Absent:
			t.would = "make the file that the server needs, without a staple"
		default:
			t.would = "withdraw the staple: " + string(p.cause)
		}
		return
	}
	g := &a.o.Groups[t.key.group]
	p.key, p.path, p.stamp, p.was = t.key, t.staple, t.stamp, t.disk.stamp
	p.snippet, p.text = t.snippet, a.snippetText(t)
	p.write = writer.Options{Mode: g.Mode, UID: g.UID, GID: g.GID, Like: t.key.path}
	event := hooks.Placed
	if p.staple == nil && !p.mend {
		event = hooks.Withdrawn
	}
	p.change = a.change(t, event)
	if p.mend {
		p.change.Status, p.change.ThisUpdate, p.change.NextUpdate = string(t.disk.status), t.disk.this, t.disk.next
	} else if p.staple != nil {
		p.change.Status = string(p.staple.Status)
		p.change.ThisUpdate, p.change.NextUpdate = p.staple.ThisUpdate, p.staple.NextUpdate
	} else {
		p.change.Reason = string(p.cause)
	}
	if first := t.said == Pending || t.said == notACandidate; p.cause != profile.Absent || !first {
		p.queues = g.Hooks // a placeholder where nothing was is no news
	}
	p.urgent = !t.disk.current(wall())
	t.placing = true
	a.placings++
	a.placer.add(p)
}

func (a *Agent) change(t *target, e hooks.Event) hooks.Change {
	leaf := t.sub.chain.Leaf
	return hooks.Change{Event: e, Name: leaf.Name, Cert: t.key.path, Staple: t.staple, Serial: leaf.SerialHex()}
}

// onPlaced takes in what the placer has done.
func (a *Agent) onPlaced(ctx context.Context, done []placed) {
	a.placings -= len(done)
	now := wall()
	var looks []look
	for _, p := range done {
		if p.path == "" {
			a.noteTold(p)
			continue
		}
		t := a.targets[p.key]
		if t == nil {
			continue // gone meanwhile
		}
		t.placing = false
		if p.changed {
			if a.o.Changed != nil {
				a.o.Changed(p.change.Event)
			}
			a.ProveSoon() // a server that nobody has to tell may have seen it
		}
		a.onPlacement(t, p)
		if p.moved && t.sub != nil && t.next == nil {
			t.next = p.staple // it may be newer than what is there now
		}
		if p.moved || t.again {
			t.again = false
			looks = a.want(looks, t.key, watcher.Stamp{})
		}
		a.offerNext(t, now)
		if t.sub != nil {
			a.evaluate(ctx, t.sub, now)
		}
	}
	a.unblock(done, now)
	a.observe(ctx, looks)
}

func (a *Agent) onPlacement(t *target, p placed) {
	log := a.log.With("cert", t.key.path, "staple", t.staple)
	switch {
	case p.moved:
		log.Debug("certificate or staple changed meanwhile: looking again")
	case p.err != nil && !p.touch:
		a.onUnwritten(t, p)
	case p.touch:
		t.disk.stamp = p.disk
		if p.err != nil {
			log.Warn("a server that was just starting may not have seen the staple", "err", p.err)
		}
	case p.mend:
		a.written(t)
		t.disk.snippet, t.disk.mended = p.snip, true
		log.Info("snippet written")
	case p.staple != nil:
		a.written(t)
		a.hold(t, nil)
		t.lost = false
		t.disk = holding(p.staple, p.disk)
		t.disk.snippet, t.disk.mended = p.snip, true
		if p.changed {
			a.touchLater(t)
			log.Info("staple placed", "this_update", stamp(p.staple.ThisUpdate), "next_update", stamp(p.staple.NextUpdate))
		}
	default:
		a.written(t)
		t.lost = t.lost || p.cause == profile.Renewed
		t.disk = disk{stamp: p.disk, kind: kindOf(p.way), snippet: p.snip}
		switch {
		case !p.changed:
		case p.cause == profile.Absent: // nothing has gone
			log.Info("no staple, so another file is in its place", "way", string(p.way))
		default:
			log.Info("staple withdrawn", "reason", string(p.cause), "way", string(p.way))
		}
	}
}

// written notes that the staple file of t is as it was to be.
func (a *Agent) written(t *target) {
	a.memory.dirty = a.memory.dirty || t.failed != ""
	t.failed, t.failures, t.writeAt = "", 0, time.Time{}
}

func kindOf(w profile.Way) kind {
	switch w {
	case profile.Placeholder:
		return placeholder
	case profile.Empty:
		return empty
	}
	return missing
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}
