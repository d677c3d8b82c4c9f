package schedule

import "time"

const (
	// NoNextUpdateRefresh is the age at which a staple without nextUpdate
	// is refreshed. Such a response says that newer information is always
	// available (RFC 6960 section 4.2.2.1).
	NoNextUpdateRefresh = time.Hour

	// longestWindow is as long as a window counts for refreshing. CAs may
	// not make longer ones for public leaves (Baseline Requirements,
	// section 4.9.10), and a browser ignores a staple that is older than
	// seven days: half of this, less the jitter, is well below.
	longestWindow = 10 * 24 * time.Hour

	// withdrawMargin is how long before its end a staple goes. Clients'
	// clocks differ by minutes, and an expired staple is worse than none.
	withdrawMargin = 5 * time.Minute

	// lastMoment is how long before its end a staple goes that a leaf cannot
	// do without: long enough for a hook's delay, a check of the server's
	// configuration and a reload.
	lastMoment = time.Minute

	// alarmMargin is how much time a person needs at least.
	alarmMargin = time.Hour

	// shortest is the least pause between two requests about one leaf.
	shortest = 5 * time.Second
)

// window is how long a staple lives; 0 if it has ended before it began. A
// window of more than 292 years counts as 292.
func window(thisUpdate, expires time.Time) time.Duration {
	return max(0, expires.Sub(thisUpdate))
}

// RefreshAt is when a staple is renewed for the first time: in the middle of
// its window, less a jitter of up to a tenth of the window, which is always
// the same for a key and so needs no memory.
func RefreshAt(thisUpdate, expires time.Time, key uint64) time.Time {
	w := min(window(thisUpdate, expires), longestWindow)
	return MiddleAt(thisUpdate, expires).Add(-part(key, w/10))
}

// MiddleAt is the middle of a staple's window: all who have it ask for a newer
// one before.
func MiddleAt(thisUpdate, expires time.Time) time.Time {
	return thisUpdate.Add(min(window(thisUpdate, expires), longestWindow) / 2)
}

// UrgentAt is when the last quarter of the window begins. From then on a
// refresh waits for no schedule, and that it has not come is worth a warning.
func UrgentAt(thisUpdate, expires time.Time) time.Time {
	return expires.Add(-window(thisUpdate, expires) / 4)
}

// AlarmAt is when a person has to look at it: an eighth of the window before
// the end, and at least an hour before it unless the window is so short that
// an hour would be an alarm without a cause.
func AlarmAt(thisUpdate, expires time.Time) time.Time {
	w := window(thisUpdate, expires)
	left := w / 8
	if w/4 >= alarmMargin {
		left = max(left, alarmMargin)
	}
	return expires.Add(-left)
}

// WithdrawAt is when a staple is taken out if no newer one has come: five
// minutes before its end, or an eighth of the window if that is shorter.
func WithdrawAt(thisUpdate, expires time.Time) time.Time {
	return expires.Add(-min(withdrawMargin, window(thisUpdate, expires)/8))
}

// LastMomentAt is when a staple is taken out that a leaf cannot do without: a
// minute before its end, or an eighth of the window if that is shorter, so that
// a server that has to reload never serves one that has ended.
func LastMomentAt(thisUpdate, expires time.Time) time.Time {
	return expires.Add(-min(lastMoment, window(thisUpdate, expires)/8))
}
