package admin

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/restaple/restaple/agent"
)

// mark is how something stands at a glance: a sign and a colour, for those
// who see one of them.
type mark struct {
	Class string
	Sign  string
	rank  int
}

var (
	markBad  = mark{"bad", "✕", 3}
	markWarn = mark{"warn", "!", 2}
	markGood = mark{"good", "✓", 1}
	markNone = mark{"none", "–", 0}
)

var laneMark = map[string]mark{"open": markGood, "slowed": markWarn, "held": markWarn, "down": markBad}

func markOf(c *agent.Certificate) mark {
	switch {
	case c.State == agent.Pending:
		return markWarn
	case !c.OK, c.State == agent.Ending:
		return markBad
	case c.State == agent.Late:
		return markWarn
	case c.State == agent.Fresh:
		return markGood
	}
	return markNone
}

// row is one certificate on the page.
type row struct {
	Mark       mark
	State      agent.State
	Failing    bool
	Name, Path string
	Serial     string
	Server     string
	MustStaple bool
	Bar        *bar
	ThisUpdate time.Time
	NextUpdate time.Time
	Left       string
	Runs       bool   // it is still running
	Ask        string // when the responder is asked next
	Responders string
	Error      string
	ErrorAt    time.Time
}

func newRow(c *agent.Certificate, now time.Time) row {
	r := row{
		Mark: markOf(c), State: c.State, Failing: !c.OK, Name: c.Name, Path: c.Path, Serial: c.Serial,
		Server: c.Server, MustStaple: c.MustStaple,
		Bar: newBar(c, now), ThisUpdate: c.ThisUpdate, NextUpdate: c.NextUpdate,
		Ask: until(c.RefreshAt, now), Responders: strings.Join(hosts(c.Responders), ", "), Error: c.Error, ErrorAt: c.ErrorAt,
	}
	if c.State == agent.NoResponder && !c.OK && r.Error == "" {
		r.Error = "demands a staple and names no responder" // nothing else here would say what is wrong
	}
	if !c.Expires.IsZero() {
		r.Left = "ended"
		if d := c.Expires.Sub(now); d > 0 {
			r.Left, r.Runs = Span(d), true
		}
	}
	return r
}

// hosts shortens URLs to what tells them apart.
func hosts(urls []string) []string {
	out := make([]string, len(urls))
	for i, u := range urls {
		_, rest, found := strings.Cut(u, "://")
		if !found {
			rest = u
		}
		out[i] = strings.TrimSuffix(rest, "/")
	}
	return out
}

// bar draws a staple's time from thisUpdate to nextUpdate, in hundredths.
type bar struct {
	Past int    // of the time
	Now  int    // where the mark for now begins
	Lost int    // where the staple ends before its nextUpdate; 100: nowhere
	Gone int    // width of what lies beyond that
	Text string // the same in words
}

// newBar returns nil if there is no staple.
func newBar(c *agent.Certificate, now time.Time) *bar {
	from, to, ends := c.ThisUpdate, c.NextUpdate, c.Expires
	if to.IsZero() {
		to = ends
	}
	if from.IsZero() || !to.After(from) {
		return nil
	}
	past, lost := share(from, to, now), 100
	if !ends.IsZero() {
		lost = share(from, to, ends)
	}
	b := &bar{Past: past, Now: min(max(past-1, 0), 98), Lost: lost, Gone: 100 - lost}
	b.Text = fmt.Sprintf("%d %% of its time has passed", past)
	if lost < 100 {
		b.Text += ", and it ends before its nextUpdate"
	}
	return b
}

// share is how much of from..to has passed at t, in hundredths. A nextUpdate
// in the year 9999 is too far ahead for a time.Duration.
func share(from, to, t time.Time) int {
	whole := float64(to.Unix() - from.Unix())
	part := float64(t.Unix() - from.Unix())
	if whole <= 0 {
		return 100
	}
	return int(min(100, max(0, math.Floor(100*part/whole))))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func short(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// Span prints a duration in its two largest units.
func Span(d time.Duration) string {
	d = d.Round(time.Second)
	days := d / (24 * time.Hour)
	h, m, s := d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%02dh", days, h)
	case h > 0:
		return fmt.Sprintf("%dh%02dm", h, m)
	case m > 0:
		return fmt.Sprintf("%dm%02ds", m, s)
	}
	return fmt.Sprintf("%ds", max(s, 0))
}
