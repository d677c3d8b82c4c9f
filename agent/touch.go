package agent

import (
	"time"

	"github.com/restaple/restaple/writer"
)

// touchLater has the staple file of t, which was placed just now, get another
// time if its server needs that; see profile.Profile.Touch.
func (a *Agent) touchLater(t *target) {
	if in := a.o.Groups[t.key.group].Profile.Touch; in > 0 && t.sub != nil {
		a.touches[t] = wall().Add(in)
	}
}

// touch gives the staple file of t another time if that is due.
func (a *Agent) touch(t *target, now time.Time) {
	at, due := a.touches[t]
	if !due || now.Before(at) || t.placing || t.looking {
		return
	}
	delete(a.touches, t)
	if t.disk.kind != valid {
		return
	}
	t.placing = true
	a.placings++
	a.placer.add(placement{touch: true, key: t.key, path: t.staple, stamp: t.stamp, was: t.disk.stamp})
}

// again gives the staple file another time, if it is the one that was placed.
// That is no change that hooks are told of.
func (p *placed) again(at *stampers) {
	if p.still(at) != nil {
		return
	}
	p.err = writer.Touch(p.path)
	p.disk, _ = at.staples.StampOf(p.path)
}
