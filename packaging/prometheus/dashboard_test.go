package prometheus

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

type panel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, RefID string }
}

type dashboard struct {
	UID        string
	Panels     []panel
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

func readDashboard(t *testing.T) (d dashboard, text string) {
	t.Helper()
	raw, err := os.ReadFile("../grafana/restaple.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d, string(raw)
}

// TestDashboardAsksForWhatThereIs holds every expression against a scrape, and
// has promtool parse it.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	d, _ := readDashboard(t)
	found := scraped(t)
	// What Grafana puts in.
	fill := strings.NewReplacer("$__rate_interval", "5m", "$job", "restaple", "$instance", "a", "$responder", "b")
	var exprs []string
	add := func(where, expr string) {
		found.check(t, where, expr)
		expr = fill.Replace(expr)
		if strings.Contains(expr, "$") {
			t.Errorf("%s: unknown variable in %s", where, expr)
		}
		exprs = append(exprs, expr)
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			add(p.Title, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		add(a.Name, a.Expr)
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			found.check(t, v.Name, v.Definition)
		}
	}
	if len(exprs) < 20 {
		t.Errorf("only %d expressions", len(exprs))
	}
	expressions(t, exprs)
}

// TestDashboardShowsEveryMetric closes the set the other way round.
func TestDashboardShowsEveryMetric(t *testing.T) {
	_, text := readDashboard(t)
	elsewhere := map[string]string{
		"restaple_ready":                                "for probes, and over when one looks",
		"restaple_certificate_must_staple":              "for alerts of one's own",
		"restaple_staple_this_update_timestamp_seconds": "for alerts of one's own",
		"restaple_staple_next_update_timestamp_seconds": "the expiry is what counts",
		"restaple_config_last_reload_successful":        "an alert",
	}
	suffix := regexp.MustCompile(`_(sum|count|bucket)$`)
	for name := range scraped(t) {
		base := suffix.ReplaceAllString(name, "")
		if strings.HasPrefix(name, "restaple_") && elsewhere[name] == "" && !strings.Contains(text, base) {
			t.Errorf("%s is shown nowhere", name)
		}
	}
}

func TestDashboardIsLaidOut(t *testing.T) {
	d, text := readDashboard(t)
	if d.UID != "restaple" || !strings.Contains(text, `"uid": "${datasource}"`) || strings.Contains(text, `"uid": "P`) {
		t.Error("it is tied to one Grafana")
	}
	ids := make(map[int]bool)
	taken := make(map[[2]int]string)
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: its id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 || p.Title == "" {
			t.Errorf("panel %d %q shows nothing", p.ID, p.Title)
		}
		g := p.GridPos
		if g.X+g.W > 24 || g.W == 0 || g.H == 0 {
			t.Errorf("%s: does not fit: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
