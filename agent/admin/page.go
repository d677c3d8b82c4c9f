package admin

import (
	"bufio"
	"cmp"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/prove"
)

// mostRows is how many certificates a page lists: what a browser can still
// lay out in a moment. The filter finds the others.
const mostRows = 10_000

// page is what the template shows.
type page struct {
	Version    string
	At         time.Time
	Budget     string // how long the responders may be down
	Problems   []string
	Polling    string
	States     []stateCount
	Responders []lane
	Hooks      []hook
	Served     []served
	Rows       []row
	Total      int // certificates
	Failing    int
	Matching   int // of them, with the filter
	Query      string
	State      string // the filter's
}

// stateCount is a state and how many certificates are in it.
type stateCount struct {
	State agent.State
	Mark  mark
	Count int
}

type lane struct {
	Host, State             string
	Mark                    mark
	InFlight, Limit, Queued int
	Again                   string
}

type hook struct {
	Hook
	Mark mark
	Said string // how it stands, in words
}

type served struct {
	Served
	Mark mark
}

var pageTemplate = template.Must(template.New("page.html").
	Funcs(template.FuncMap{"stamp": stamp, "short": short}).ParseFS(assets, "assets/page.html"))

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	shot, err := s.shots.get(r.Context())
	if err != nil {
		unavailable(w, err)
		return
	}
	q := r.URL.Query()
	p := newPage(shot, strings.TrimSpace(q.Get("q")), q.Get("state"))
	p.Version = s.o.Version
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	out := bufio.NewWriterSize(w, 64<<10)
	if err := pageTemplate.Execute(out, p); err != nil {
		s.o.Log.Debug("status page cut short", "err", err)
	}
	_ = out.Flush() // the reader is gone
}

// newPage lays out what of a snapshot matches a filter: text that a
// certificate's row has to hold, and a state, "failing" or "".
func newPage(s *snapshot, query, state string) *page {
	p := &page{At: s.at, Total: len(s.certs), Failing: s.failing, Problems: s.problems, Query: query, State: state}
	if !s.firstEnd.IsZero() {
		p.Budget = Span(s.firstEnd.Sub(s.at))
	}
	if s.polling {
		p.Polling = s.why
	}
	for _, st := range agent.States() {
		if n := s.states[st]; n > 0 || string(st) == state {
			p.States = append(p.States, stateCount{st, markOf(&agent.Certificate{State: st, OK: st.OK(false)}), n})
		}
	}
	for _, l := range s.lanes {
		p.Responders = append(p.Responders, lane{
			Host: l.Host, State: l.State, Mark: laneMark[l.State],
			InFlight: l.InFlight, Limit: l.Limit, Queued: l.Queued, Again: until(l.Until, s.at),
		})
	}
	for _, h := range s.hooks {
		p.Hooks = append(p.Hooks, describeHook(hookOf(h), s.at))
	}
	for _, f := range s.proofs {
		x := served{servedOf(f), markBad}
		switch {
		case f.Same && f.OK():
			x.Mark = markGood
		case f.Same, f.Result == prove.Unreachable:
			x.Mark = markWarn
		}
		p.Served = append(p.Served, x)
	}
	match := matcher(query, state)
	var found []*agent.Certificate
	for i := range s.certs {
		if c := &s.certs[i]; match(c) {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, urgentFirst)
	p.Matching = len(found)
	found = found[:min(len(found), mostRows)]
	p.Rows = make([]row, len(found))
	for i, c := range found {
		p.Rows[i] = newRow(c, s.at)
	}
	return p
}

// failingFilter is the filter for certificates with which not all is well.
const failingFilter = "failing"

// matcher finds what the script of the page would find in the rows.
func matcher(query, state string) func(*agent.Certificate) bool {
	words := strings.Fields(strings.ToLower(query))
	return func(c *agent.Certificate) bool {
		if state == failingFilter && c.OK || state != "" && state != failingFilter && string(c.State) != state {
			return false
		}
		if len(words) == 0 {
			return true
		}
		text := strings.ToLower(strings.Join([]string{
			c.Path, c.Name, string(c.State), c.Serial, c.Server, strings.Join(hosts(c.Responders), " "), c.Error,
		}, " "))
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
}

// urgentFirst orders certificates: what needs a person, what may soon, and
// then by how soon the staple ends.
func urgentFirst(x, y *agent.Certificate) int {
	if c := cmp.Compare(markOf(y).rank, markOf(x).rank); c != 0 {
		return c
	}
	if x.Expires.IsZero() != y.Expires.IsZero() {
		if x.Expires.IsZero() {
			return 1
		}
		return -1
	}
	return x.Expires.Compare(y.Expires)
}

func describeHook(h Hook, now time.Time) hook {
	out := hook{Hook: h, Mark: markGood, Said: "delivered"}
	switch {
	case h.Error != "":
		out.Mark, out.Said = markBad, "failing"
	case h.Pending > 0:
		out.Mark, out.Said = markWarn, "pending"
	case h.DeliveredAt.IsZero():
		out.Mark, out.Said = markNone, "idle"
	}
	return out
}

// until says how far ahead a time is.
func until(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	if d := t.Sub(now); d > 0 {
		return "in " + Span(d)
	}
	return "now"
}
