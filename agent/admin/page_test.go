package admin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
)

// names returns the names of the rows that a page lists.
func names(p *page) []string {
	var out []string
	for _, r := range p.Rows {
		out = append(out, r.Name)
	}
	return out
}

func TestFilter(t *testing.T) {
	now := time.Now()
	a, b, c := certificate("alpha.example.test", now), certificate("beta.example.test", now), certificate("gamma.example.test", now)
	b.State, b.OK, b.Error, b.Serial = agent.Expired, false, "http://x/: 503 Service Unavailable", "0A7F"
	c.State, c.Responders, c.Server = agent.Ending, []string{"https://other.example:8443/ocsp"}, "nginx"
	shot := summarize([]agent.Certificate{a, b, c}, now)
	for _, tt := range []struct {
		query, state string
		want         string
	}{
		{"", "", "beta gamma alpha"},
		{"alpha", "", "alpha"},
		{"ALPHA", "", "alpha"},
		{"test pem beta", "", "beta"},
		{"beta alpha", "", ""},
		{"0a7f", "", "beta"},
		{"service unavailable", "", "beta"},
		{"other.example:8443/ocsp", "", "gamma"},
		{"https://", "", ""}, // the page does not show it either
		{"nginx", "", "gamma"},
		{"", "fresh", "alpha"},
		{"", "failing", "beta"},
		{"", "ending", "gamma"},
		{"alpha", "failing", ""},
		{"", "nonsense", ""},
	} {
		p := newPage(shot, tt.query, tt.state)
		got := strings.ReplaceAll(strings.Join(names(p), " "), ".example.test", "")
		if got != tt.want || p.Matching != len(p.Rows) || p.Total != 3 {
			t.Errorf("q=%q state=%q: %q (%d of %d), want %q", tt.query, tt.state, got, p.Matching, p.Total, tt.want)
		}
	}
}

func TestWhatNeedsAPersonComesFirst(t *testing.T) {
	now := time.Now()
	var certs []agent.Certificate
	for i, s := range []agent.State{agent.NoResponder, agent.Fresh, agent.Fresh, agent.Late, agent.Pending, agent.Revoked, agent.Ending} {
		c := certificate(fmt.Sprintf("%d-%s", i, s), now)
		c.State, c.OK = s, s.OK(false)
		c.Expires = now.Add(time.Duration(10-i) * time.Hour)
		if s == agent.NoResponder || s == agent.Revoked || s == agent.Pending {
			c.Expires = time.Time{}
		}
		certs = append(certs, c)
	}
	want := []string{"6-ending", "5-revoked", "3-late", "4-pending", "2-fresh", "1-fresh", "0-no-responder"}
	if got := names(newPage(summarize(certs, now), "", "")); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestTooManyRowsAreCutAndSaidSo also holds the size of a page.
func TestTooManyRowsAreCutAndSaidSo(t *testing.T) {
	now := time.Now()
	var certs []agent.Certificate
	for i := range mostRows + 5 {
		certs = append(certs, certificate(fmt.Sprintf("host%05d.example.test", i), now))
	}
	s := start(t, "tcp", &scene{certs: certs}, false)
	_, body := s.get(t, "/")
	if n := strings.Count(body, "<tr role=\"row\" data-state"); n != mostRows {
		t.Errorf("%d rows, want %d", n, mostRows)
	}
	if !strings.Contains(body, "10000 of 10005 shown: filter for the others") || !strings.Contains(body, " data-cut>") {
		t.Error("the page does not say that there are more")
	}
	if perRow := len(body) / mostRows; perRow > 1300 {
		t.Errorf("%d octets a row", perRow)
	}
	if _, body := s.get(t, "/?q=host10004"); !strings.Contains(body, "host10004.example.test") || !strings.Contains(body, "1 of 10005 shown") {
		t.Error("the filter does not find what was cut")
	}
}

func TestForeignTextIsText(t *testing.T) {
	now := time.Now()
	c := certificate(`"><script>alert(1)</script>`, now)
	c.Error, c.Responders, c.State, c.OK = `<img src=x onerror=alert(1)>`, []string{`javascript://"onclick="x`}, agent.Missing, false
	s := start(t, "tcp", &scene{certs: []agent.Certificate{c}, problems: []string{"<b>"}, polling: "<i>"}, false)
	_, body := s.get(t, "/?state=missing&q="+`%22%3E`)
	for _, bad := range []string{"<script>alert", "<img", "<b>/", "<i>", `value=""><`, `"onclick="`} {
		if strings.Contains(body, bad) {
			t.Errorf("%s stands in the page", bad)
		}
	}
	if !strings.Contains(body, "&lt;img src=x") {
		t.Error("the error does not stand in the page")
	}
}

// TestThePageKeepsItsPolicy looks for what the content security policy would
// stop a browser from doing.
func TestThePageKeepsItsPolicy(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), false)
	_, body := s.get(t, "/")
	for _, bad := range []string{` style="`, "<style", "javascript:", ` on[a-z]+="`, `<script[^>]*>[^<]`, `(src|href|action)="(https?:)?//`} {
		if found := regexp.MustCompile(bad).FindString(body); found != "" {
			t.Errorf("%q stands in the page", found)
		}
	}
	for _, path := range []string{"/app.js", "/style.css"} {
		_, text := s.get(t, path)
		for _, bad := range []string{"http:", "https:", "innerHTML", "eval(", "@import", "url("} {
			if strings.Contains(text, bad) {
				t.Errorf("%q stands in %s", bad, path)
			}
		}
	}
}

func TestBars(t *testing.T) {
	now := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, tt := range []struct {
		name             string
		this, next, ends time.Time
		want             *bar
	}{
		{"half", now.Add(-5 * day), now.Add(5 * day), now.Add(5 * day), &bar{50, 49, 100, 0, "50 % of its time has passed"}},
		{"begins now", now, now.Add(day), now.Add(day), &bar{0, 0, 100, 0, "0 % of its time has passed"}},
		{"clock behind", now.Add(time.Hour), now.Add(day), now.Add(day), &bar{0, 0, 100, 0, "0 % of its time has passed"}},
		{"ended", now.Add(-9 * day), now.Add(-day), now.Add(-day), &bar{100, 98, 100, 0, "100 % of its time has passed"}},
		{"signer ends first", now.Add(-5 * day), now.Add(5 * day), now.Add(3 * day), &bar{50, 49, 80, 20, "50 % of its time has passed, and it ends before its nextUpdate"}},
		{"no nextUpdate", now.Add(-6 * time.Hour), time.Time{}, now.Add(18 * time.Hour), &bar{25, 24, 100, 0, "25 % of its time has passed"}},
		{"the year 9999", now.Add(-day), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), now.Add(day), &bar{0, 0, 0, 100, "0 % of its time has passed, and it ends before its nextUpdate"}},
		{"no staple", time.Time{}, time.Time{}, time.Time{}, nil},
		{"nonsense", now, now, now, nil},
	} {
		got := newBar(&agent.Certificate{ThisUpdate: tt.this, NextUpdate: tt.next, Expires: tt.ends}, now)
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59*time.Second + 600*time.Millisecond: "1m00s", 90 * time.Minute: "1h30m", 49 * time.Hour: "2d01h",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
	now := time.Now()
	for _, tt := range []struct {
		at   time.Time
		want string
	}{{time.Time{}, ""}, {now.Add(-time.Hour), "now"}, {now.Add(time.Hour), "in 1h00m"}} {
		if got := until(tt.at, now); got != tt.want {
			t.Errorf("until %v: %q, want %q", tt.at, got, tt.want)
		}
	}
}

// TestEveryStateHasAMark closes the set: a state without one would look as if
// there were nothing to say.
func TestEveryStateHasAMark(t *testing.T) {
	quiet := map[agent.State]bool{agent.NoResponder: true, agent.LeafExpired: true, agent.LeafNotYet: true}
	for _, s := range agent.States() {
		if m := markOf(&agent.Certificate{State: s, OK: s.OK(false)}); (m == markNone) != quiet[s] {
			t.Errorf("%s: %+v", s, m)
		}
	}
	if m := markOf(&agent.Certificate{State: agent.NoResponder}); m != markBad {
		t.Errorf("must-staple without responder: %+v", m)
	}
	for _, state := range []string{"open", "slowed", "held", "down"} {
		if laneMark[state].Sign == "" {
			t.Errorf("no mark for a responder that is %s", state)
		}
	}
}

func TestARowThatFailsSaysWhy(t *testing.T) {
	c := certificate("site", time.Now())
	c.State, c.OK, c.MustStaple = agent.NoResponder, false, true
	if r := newRow(&c, time.Now()); r.Error != "demands a staple and names no responder" {
		t.Errorf("must-staple without a responder: got %q", r.Error)
	}
	c.OK, c.MustStaple = true, false
	if r := newRow(&c, time.Now()); r.Error != "" {
		t.Errorf("nothing to do: got %q", r.Error)
	}
}
