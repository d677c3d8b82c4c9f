package config

import (
	"math"
	"regexp"
	"strconv"
	"time"
)

var (
	days       = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)
	bareNumber = regexp.MustCompile(`^[0-9]+$`)
)

// parseDuration reads Go's durations and days in front of them: 7d, 1d12h.
func parseDuration(s string) (time.Duration, error) {
	m := days.FindStringSubmatch(s)
	if m == nil {
		return time.ParseDuration(s)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, err
	}
	whole := time.Duration(n) * 24 * time.Hour // 99999 days fit
	if m[2] == "" {
		return whole, nil
	}
	rest, err := time.ParseDuration(m[2])
	if err == nil && (rest < 0 || rest > math.MaxInt64-whole) {
		err = strconv.ErrRange
	}
	return whole + rest, err
}

// pause is a duration from 0.
func (v value) pause() (time.Duration, bool) {
	s, ok := v.scalar("a duration such as 90s, 12h or 7d")
	if !ok {
		return 0, false
	}
	d, err := parseDuration(s)
	switch {
	case err != nil && bareNumber.MatchString(s):
		v.fail("needs a unit, such as %ss", s)
		return 0, false
	case err != nil:
		v.fail("must be a duration such as 90s, 12h or 7d, got %s", quoted(s))
		return 0, false
	case d < 0:
		v.fail("must not be negative, got %s", d)
		return 0, false
	}
	return d, true
}

// limit is a duration of more than 0.
func (v value) limit() (time.Duration, bool) {
	d, ok := v.pause()
	if ok && d == 0 {
		v.fail("must be more than 0")
		return 0, false
	}
	return d, ok
}

// interval is a duration of at least a second.
func (v value) interval() (time.Duration, bool) {
	d, ok := v.pause()
	if ok && d < time.Second {
		v.fail("must be at least 1s, got %s", d)
		return 0, false
	}
	return d, ok
}
