package responder

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Headers are not signed. What they say may make us ask sooner or later, and
// never counts as a statement about the leaf.

// maxRetryAfter bounds how long a responder may keep us away.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After: seconds or a date (RFC 9110 section 10.2.3).
// A date is taken by the responder's own clock if it shows one.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if n, ok := seconds(value); ok {
		return min(n, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

// freshUntil is the time until which a cache may keep the answer, in the local
// clock: Cache-Control's max-age before Expires, less the Age it has already
// (RFC 9111 section 4.2). It is zero if the answer does not say.
func freshUntil(h http.Header, now time.Time) time.Time {
	life, ok := maxAge(h)
	if !ok {
		expires, err := http.ParseTime(h.Get("Expires"))
		if err != nil {
			return time.Time{}
		}
		date, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			date = now
		}
		life = expires.Sub(date)
	}
	if age, ok := seconds(h.Get("Age")); ok {
		life -= age
	}
	if life <= 0 {
		return time.Time{}
	}
	return now.Add(life)
}

// maxAge returns max-age, and 0 for an answer that is not to be kept.
func maxAge(h http.Header) (age time.Duration, ok bool) {
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			switch strings.ToLower(name) {
			case "no-cache", "no-store":
				return 0, true
			case "max-age":
				if n, valid := seconds(strings.Trim(value, `"`)); valid {
					age, ok = n, true
				}
			}
		}
	}
	return age, ok
}

// seconds reads delta-seconds (RFC 9111 section 1.2.2), which saturate.
func seconds(s string) (time.Duration, bool) {
	const most = 1 << 31
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		n = most
	}
	return time.Duration(n) * time.Second, true
}

// skew is how far the local clock is ahead of the responder's, and what that
// showed; zero without a Date. A cache passes on the Date of the origin and
// adds the Age.
func skew(h http.Header, now time.Time) (ahead time.Duration, date time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0, time.Time{}
	}
	age, _ := seconds(h.Get("Age"))
	return now.Sub(date.Add(age)), date
}

// validators takes what a later request can be made conditional with.
func validators(h http.Header) Validators {
	return Validators{ETag: token(h.Get("ETag")), LastModified: token(h.Get("Last-Modified"))}
}

// token drops what could not be sent back as it is.
func token(s string) string {
	const enough = 256
	if len(s) > enough || !httpguts.ValidHeaderFieldValue(s) {
		return ""
	}
	return s
}
