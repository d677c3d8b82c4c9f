package staple

import (
	"cmp"
	"slices"
	"time"
)

const (
	// skew is how far another clock may be ahead of ours. Chromium allows
	// nothing, Apple 75 minutes, Mozilla a day.
	skew = 5 * time.Minute

	// noNextUpdate is how long a response without nextUpdate is good for:
	// newer information is available all the time (RFC 6960 section 2.4), so
	// clients that take it at all do so for a while only.
	noNextUpdate = 24 * time.Hour

	// longWindow and oldThisUpdate are where some clients stop: Mozilla caps
	// windows at ten days, Chromium ignores what is older than seven.
	longWindow    = 10 * 24 * time.Hour
	oldThisUpdate = 7 * 24 * time.Hour
)

// end is when the SingleResponse stops being good.
func (r *single) end() time.Time {
	if r.hasNext {
		return r.nextUpdate
	}
	return r.thisUpdate.Add(noNextUpdate)
}

// checkWindow says whether the SingleResponse is in its time. There is no
// grace at the end: clients give none.
func (r *single) checkWindow(now time.Time) error {
	refuse := func(reason Reason, format string, args ...any) error {
		e := reject(reason, format, args...)
		e.ThisUpdate, e.NextUpdate = r.thisUpdate, r.nextUpdate
		return e
	}
	switch {
	case r.hasNext && r.nextUpdate.Before(r.thisUpdate):
		return refuse(BadWindow, "nextUpdate %s is before thisUpdate %s", stamp(r.nextUpdate), stamp(r.thisUpdate))
	case r.thisUpdate.After(now.Add(skew)):
		return refuse(NotYetValid, "thisUpdate %s is in the future", stamp(r.thisUpdate))
	case r.hasNext && !now.Before(r.nextUpdate):
		return refuse(Expired, "nextUpdate %s has passed", stamp(r.nextUpdate))
	case !r.hasNext && now.After(r.end()):
		return refuse(Expired, "thisUpdate %s is more than %v ago and there is no nextUpdate", stamp(r.thisUpdate), noNextUpdate)
	}
	return nil
}

// current picks the SingleResponse that counts among those about the leaf:
// one that is out of its time is ignored when another is in it, as Chromium
// does; then revoked beats unknown beats good, and the one that ends first
// beats the rest, since nobody knows which of them a client looks at.
func current(ours []single, now time.Time) (*single, error) {
	slices.SortStableFunc(ours, func(a, b single) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.end().Compare(b.end()))
	})
	var failure error
	for i := range ours {
		err := ours[i].checkWindow(now)
		if err == nil {
			return &ours[i], nil
		}
		if failure == nil {
			failure = err
		}
	}
	return nil, failure
}

func (r *single) rank() int {
	switch r.status {
	case Revoked:
		return 0
	case Unknown:
		return 1
	}
	return 2
}

// stamp writes times into messages.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
