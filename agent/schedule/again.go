package schedule

import "time"

const (
	// firstRetry is the pause after the first failure, slowestRetry the
	// longest one. It is shorter when the staple's end is near, or past:
	// then it is urgentRetry.
	firstRetry   = time.Minute
	slowestRetry = time.Hour
	urgentRetry  = 15 * time.Minute

	// patience is how many retries each minute a leaf without a staple
	// gets. A responder may take 15 minutes to know a new certificate
	// (Baseline Requirements, section 4.9.10).
	patience = 15
)

// NotNewerIn is the pause after an answer, given at now, that was no newer
// than the staple at hand. Up to the middle of its window that is to be
// expected: a CA may publish once in four days what is valid for seven. So it
// is an hour or a twentieth of the window, whichever is longer; less than an
// hour for windows of less than eight hours; and no more than a quarter of
// what is left when the last quarter of the window has begun, since the next
// response may be published only hours before the end of this one. Zero times
// mean that there is no staple, and give an hour.
func NotNewerIn(thisUpdate, expires, now time.Time) time.Duration {
	if expires.IsZero() {
		return time.Hour
	}
	w := min(window(thisUpdate, expires), longestWindow)
	in := max(w/20, min(time.Hour, w/8))
	if !now.Before(UrgentAt(thisUpdate, expires)) && now.Before(expires) {
		in = min(in, share(expires, now))
	}
	return max(shortest, in)
}

// SoonerIn shortens the pause in after such an answer, given at now, if caches
// let go of it before that, at fresh (RFC 9919 section 7.1): what they have then
// may be newer. Headers are not signed, so that it stays at least an hour or an
// eighth of the window, and they make no pause longer. Up to a tenth of what is
// won is given back by a jitter that is always the same for a key.
func SoonerIn(in time.Duration, thisUpdate, expires, fresh, now time.Time, key uint64) time.Duration {
	if fresh.IsZero() {
		return in
	}
	least := max(shortest, min(time.Hour, window(thisUpdate, expires)/8))
	sooner := max(least, fresh.Sub(now))
	if sooner >= in {
		return in
	}
	return sooner + part(key, (in-sooner)/10)
}

// RetryIn is the pause after failure number attempt in a row, at now. It
// doubles from a minute to an hour and is proportionally shorter for short
// windows, in the last quarter of a window, and when the staple has ended.
// Zero times mean that there is no staple: then the first quarter of an hour
// has a retry each minute. Each pause is less up to a fifth of it by a jitter
// that is always the same for a key and an attempt.
func RetryIn(attempt int, thisUpdate, expires, now time.Time, key uint64) time.Duration {
	first, slowest := firstRetry, slowestRetry
	w := window(thisUpdate, expires)
	switch {
	case expires.IsZero():
		attempt -= patience - 1
	case !now.Before(expires):
		slowest = min(urgentRetry, max(w/4, firstRetry))
		first = min(first, w/40)
	default:
		slowest = min(slowest, w/20)
		if !now.Before(UrgentAt(thisUpdate, expires)) {
			slowest = min(slowest, urgentRetry, share(expires, now))
		}
		first = min(first, w/40)
	}
	in := max(shortest, min(slowest, doubled(max(shortest, first), attempt-1)))
	return in - part(mix(key+uint64(attempt)), in/5)
}

// share is the longest pause at now in the last quarter of a window: it lets
// some more requests happen before the end.
func share(expires, now time.Time) time.Duration { return expires.Sub(now) / 4 }

// doubled doubles d n times, up to slowestRetry.
func doubled(d time.Duration, n int) time.Duration {
	for range n {
		if d *= 2; d >= slowestRetry {
			return slowestRetry
		}
	}
	return d
}
