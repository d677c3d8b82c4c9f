package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// minEvery is the smallest interval of "@every". cron turns anything smaller,
// also a negative one, into every second.
const minEvery = time.Second

const (
	// An opening is how long after a time that an expression names leaves
	// have their turn: a tenth of the time to the next one, but at least
	// shortestOpening, if there is as much, and at most longestOpening.
	shortestOpening = time.Minute
	longestOpening  = time.Hour
)

// everyPrefix begins an expression for a fixed interval.
const everyPrefix = "@every "

// Cron says when ordinary refreshes may happen.
type Cron struct {
	fields cron.Schedule
	every  time.Duration // if fields is nil
}

// ParseCron reads a cron expression as robfig/cron does: five fields, or
// @hourly, @daily, @weekly, @monthly, @yearly, @every DURATION; fields and
// names may have TZ=ZONE in front, otherwise local time is meant. An
// expression that never comes true is an error.
func ParseCron(expr string) (*Cron, error) {
	zone, rest := "", strings.TrimSpace(expr)
	if strings.HasPrefix(rest, "TZ=") || strings.HasPrefix(rest, "CRON_TZ=") {
		// cron panics if nothing follows the zone.
		var found bool
		zone, rest, found = strings.Cut(rest, " ")
		rest = strings.TrimSpace(rest)
		if !found || rest == "" {
			return nil, fmt.Errorf("nothing follows the time zone in %q", expr)
		}
		if strings.HasSuffix(zone, "=") {
			return nil, fmt.Errorf("no time zone after the equals sign in %q", expr)
		}
	}
	if after, ok := strings.CutPrefix(rest, everyPrefix); ok {
		return parseEvery(zone, after)
	}
	for field := range strings.FieldsSeq(rest) {
		// cron takes a field of nothing but commas as one that is never true,
		// and ignores stray ones.
		if strings.HasPrefix(field, ",") || strings.HasSuffix(field, ",") || strings.Contains(field, ",,") {
			return nil, fmt.Errorf("stray comma in %q", field)
		}
	}
	fields, err := cron.ParseStandard(strings.TrimSpace(zone + " " + rest))
	if err != nil {
		return nil, plain(err)
	}
	c := &Cron{fields: fields}
	if c.Next(time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q never comes true: no month has such a day", expr)
	}
	return c, nil
}

// plain says what cron's parser says in words that are not about its inside.
func plain(err error) error {
	said := err.Error()
	if field, found := strings.CutPrefix(said, "failed to parse int from "); found {
		field, _, _ = strings.Cut(field, ": ")
		return fmt.Errorf("%q is neither a number nor a name such as MON or JAN", field)
	}
	if _, zone, found := strings.Cut(said, ": unknown time zone "); found {
		return fmt.Errorf("there is no time zone %q here", zone)
	}
	if name, found := strings.CutPrefix(said, "unrecognized descriptor: "); found {
		return fmt.Errorf("%s is not known, want one of @hourly, @daily, @weekly, @monthly, @yearly, @every DURATION", name)
	}
	return err
}

func parseEvery(zone, interval string) (*Cron, error) {
	if zone != "" {
		return nil, errors.New("@every takes no time zone")
	}
	d, err := time.ParseDuration(strings.TrimSpace(interval))
	if err != nil {
		return nil, fmt.Errorf("@every %q is not a duration such as 90s or 12h", interval)
	}
	if d < minEvery {
		return nil, fmt.Errorf("@every %s is too often, at least %s is needed", d, minEvery)
	}
	return &Cron{every: d}, nil
}

// Next returns the first time after t that the expression names, or the zero
// time if there is none within ten years. For @every those are the multiples
// of the interval since the Unix epoch, whenever it is asked: they are the
// same after a restart.
func (c *Cron) Next(t time.Time) time.Time {
	if c.fields == nil {
		return nextMultiple(t, c.every)
	}
	// cron looks five years ahead, but from 2096 to 2104 no year has a 29th
	// of February.
	for range 2 {
		if next := c.fields.Next(t); !next.IsZero() {
			return next
		}
		t = t.AddDate(5, 0, 0)
	}
	return time.Time{}
}

// Turn is when a leaf that is due at a time has its turn: after the next time
// that the expression names, by a share of the opening that is always the same
// for a key; without it all that has fallen due since the last such time would
// be asked for in one instant, on every host. It is urgent at the latest.
func (c *Cron) Turn(at, urgent time.Time, key uint64) time.Time {
	tick := c.Next(at.Add(-time.Nanosecond))
	if tick.IsZero() || !tick.Before(urgent) {
		return urgent
	}
	open := longestOpening
	if next := c.Next(tick); !next.IsZero() {
		gap := next.Sub(tick)
		open = min(gap, max(gap/10, shortestOpening), longestOpening)
	}
	return tick.Add(part(key, min(open, urgent.Sub(tick))))
}

// nextMultiple is the first multiple of d since the Unix epoch after t.
func nextMultiple(t time.Time, d time.Duration) time.Time {
	// Truncate counts from the year 1, which for most d is out of step with
	// the epoch, so the offset between the two is added and taken away.
	offset := time.Unix(0, 0).Sub(time.Unix(0, 0).Truncate(d))
	return t.Add(-offset).Truncate(d).Add(offset).Add(d)
}
