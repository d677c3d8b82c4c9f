package admin

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
)

// scrape returns the series that restaple itself makes.
func (s *started) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	status, body := s.get(t, "/metrics")
	if status != 200 {
		t.Fatalf("/metrics: %d %s", status, body)
	}
	out := make(map[string]float64)
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "restaple_") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		out[line[:i]] = v
	}
	return out
}

func TestCountsOfAnswersAreShown(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), false)
	for series := range s.scrape(t) {
		if strings.HasPrefix(series, "restaple_answers_") {
			t.Errorf("no requests are answered: got %s", series)
		}
	}
	counts := answer.Counts{Hits: 1, Misses: 2, Upstream: 3, Passed: 4, Unchanged: 1, Foreign: 5, Malformed: 6, Limited: 7, Kept: 8}
	s.SetAnswers(func() answer.Counts { return counts })
	got := s.scrape(t)
	for series, want := range map[string]float64{
		`restaple_answers_total{result="hit"}`:       1,
		`restaple_answers_total{result="miss"}`:      2,
		`restaple_answers_total{result="passed"}`:    4,
		`restaple_answers_total{result="foreign"}`:   5,
		`restaple_answers_total{result="malformed"}`: 6,
		`restaple_answers_total{result="limited"}`:   7,
		`restaple_answers_upstream_requests_total`:   3,
		`restaple_answers_kept`:                      8,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s: got %v (there: %v), want %v", series, v, ok, want)
		}
	}
	r, err := FetchStatus(t.Context(), strings.TrimPrefix(s.url, "http://"))
	if err != nil || r.Answers == nil || *r.Answers != counts {
		t.Errorf("status: got %v, %v, want %+v", r, err, counts)
	}
	s.SetAnswers(nil)
	if r, err := FetchStatus(t.Context(), strings.TrimPrefix(s.url, "http://")); err != nil || r.Answers != nil {
		t.Errorf("status without answers: got %v, %v", r, err)
	}
}

func TestMetricsOfASnapshot(t *testing.T) {
	now := time.Now()
	s := start(t, "tcp", everyState(now), true)
	s.Ready()
	got := s.scrape(t)
	fresh := `{path="/etc/tls/fresh.example.test.pem",staple="/etc/tls/fresh.example.test.pem.ocsp"}`
	early := `{path="/etc/tls/signer-ends-early.example.test.pem",staple="/etc/tls/signer-ends-early.example.test.pem.ocsp"}`
	for series, want := range map[string]float64{
		`restaple_certificates{state="fresh"}`:                                          3,
		`restaple_certificates{state="expired"}`:                                        1,
		`restaple_certificates_failing`:                                                 10,
		`restaple_problems`:                                                             1,
		`restaple_served_matches_disk{address="www.example:443",result="proven"}`:       1,
		`restaple_served_matches_disk{address="old.example:443",result="older-served"}`: 0,
		`restaple_polling`:                                                              1,
		`restaple_ready`:                                                                1,
		`restaple_config_last_reload_successful`:                                        1,
		`restaple_writes_total{event="placed"}`:                                         0,
		`restaple_writes_total{event="withdrawn"}`:                                      0,
		`restaple_hook_failing{hook="nginx"}`:                                           1,
		`restaple_hook_failing{hook="audit"}`:                                           0,
		`restaple_hook_runs_total{hook="page",result="failure"}`:                        0,
		`restaple_hook_pending_changes{hook="nginx"}`:                                   3,
		`restaple_staple_this_update_timestamp_seconds` + fresh:                         unix(now.Add(-84 * time.Hour)),
		`restaple_staple_next_update_timestamp_seconds` + fresh:                         unix(now.Add(84 * time.Hour)),
		`restaple_staple_expiry_timestamp_seconds` + early:                              unix(now.Add(40 * time.Hour)),
		`restaple_certificate_must_staple` + fresh:                                      0,
		`restaple_certificate_must_staple{path="/etc/tls/ending.example.test.pem",staple="/etc/tls/ending.example.test.pem.ocsp"}`:    1,
		`restaple_certificate_state{path="/etc/tls/late.example.test.pem",staple="/etc/tls/late.example.test.pem.ocsp",state="late"}`: 1,
		`restaple_hook_last_success_timestamp_seconds{hook="haproxy"}`:                                                                unix(now.Add(-time.Hour)),
		`restaple_responder_up{responder="ocsp.corp.example"}`:                                                                        1,
		`restaple_responder_up{responder="ocsp.busy.example"}`:                                                                        1,
		`restaple_responder_up{responder="ocsp.dead.example"}`:                                                                        0,
		`restaple_responder_requests_in_flight{responder="ocsp.corp.example"}`:                                                        3,
		`restaple_responder_requests_limit{responder="ocsp.corp.example"}`:                                                            32,
		`restaple_responder_requests_queued{responder="ocsp.slow.example:8080"}`:                                                      210,
	} {
		if v, ok := got[series]; !ok || v < want-1e-3 || v > want+1e-3 {
			t.Errorf("%s: %v (there: %v), want %v", series, v, ok, want)
		}
	}
	for _, state := range agent.States() {
		if _, ok := got[`restaple_certificates{state="`+string(state)+`"}`]; !ok {
			t.Errorf("no count of certificates in state %s", state)
		}
	}
	if b := got["restaple_outage_budget_seconds"]; b < 3500 || b > 3600 {
		t.Errorf("budget %v s, want that of the staple that ends in an hour: expired ones do not count", b)
	}
}

func unix(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func TestSeriesOfEachCertificateOnlyByChoice(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), false)
	for series := range s.scrape(t) {
		if strings.Contains(series, "path=") || strings.Contains(series, "/etc/") {
			t.Errorf("%s", series)
		}
	}
}

func TestNoBudgetWithoutAStaple(t *testing.T) {
	s := start(t, "tcp", &scene{certs: []agent.Certificate{{Path: "/a", State: agent.Missing}}}, false)
	if v, there := s.scrape(t)["restaple_outage_budget_seconds"]; there {
		t.Errorf("budget %v", v)
	}
}

// TestNamesThatAreNoMetricsBreakNothing has names in it that would each make
// the whole answer an error.
func TestNamesThatAreNoMetricsBreakNothing(t *testing.T) {
	bad := []agent.Certificate{
		{Path: "/a\xff", Staple: "/a\xff.ocsp", Name: "\xc3\x28", State: agent.Fresh},
		{Path: "/a\xfe", Staple: "/a\xfe.ocsp", State: agent.Fresh},
		{Path: "/twice", Staple: "/twice.ocsp", State: agent.Fresh, Name: "b"},
		{Path: "/twice", Staple: "/twice.ocsp", State: agent.PathConflict},
		{Path: "/quote\"\n\\", State: agent.Fresh},
	}
	s := start(t, "tcp", &scene{certs: bad,
		lanes: []responder.LaneState{{Host: "\xff"}, {Host: "\xfe"}},
		hooks: []hooks.QueueState{{Name: "\xff"}},
	}, true)
	s.metrics.Asked(agent.Attempt{Responder: "\xff", Reason: "good"})
	s.metrics.HookRan("\xff", nil, 0)
	got := s.scrape(t)
	if got[`restaple_certificates{state="fresh"}`] != 4 || got["restaple_certificate_info{name=\"b\",path=\"/twice\",serial=\"\",server=\"\",staple=\"/twice.ocsp\"}"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestCountersCount(t *testing.T) {
	s := start(t, "tcp", nil, false)
	m := s.metrics
	m.Asked(agent.Attempt{Responder: "a.example", Reason: "good", Took: 30 * time.Millisecond})
	m.Asked(agent.Attempt{Responder: "a.example", Reason: "good", Took: 3 * time.Second})
	m.Asked(agent.Attempt{Responder: "a.example", Reason: "timeout", Took: 15 * time.Second})
	m.Asked(agent.Attempt{Responder: "a.example", Reason: string(responder.KindDown)})
	m.Asked(agent.Attempt{Responder: "b.example"})
	m.Changed(hooks.Placed)
	m.Changed(hooks.Placed)
	m.Changed(hooks.Withdrawn)
	m.HookRan("nginx", nil, time.Second)
	m.HookRan("nginx", errors.New("exit status 1"), time.Second)
	m.HookRan("nginx", errors.New("exit status 1"), 40*time.Second)
	m.ConfigTaken(errors.New("restaple.yaml:1: wrong"))
	got := s.scrape(t)
	for series, want := range map[string]float64{
		`restaple_attempts_total{reason="good",responder="a.example"}`:              2,
		`restaple_attempts_total{reason="timeout",responder="a.example"}`:           1,
		`restaple_attempts_total{reason="responder-down",responder="a.example"}`:    1,
		`restaple_attempts_total{reason="other",responder="b.example"}`:             1,
		`restaple_request_duration_seconds_count{responder="a.example"}`:            3,
		`restaple_request_duration_seconds_bucket{responder="a.example",le="0.05"}`: 1,
		`restaple_request_duration_seconds_bucket{responder="a.example",le="5"}`:    2,
		`restaple_writes_total{event="placed"}`:                                     2,
		`restaple_writes_total{event="withdrawn"}`:                                  1,
		`restaple_hook_runs_total{hook="nginx",result="success"}`:                   1,
		`restaple_hook_runs_total{hook="nginx",result="failure"}`:                   2,
		`restaple_hook_duration_seconds_count{hook="nginx"}`:                        3,
		`restaple_hook_duration_seconds_bucket{hook="nginx",le="1"}`:                2,
		`restaple_config_last_reload_successful`:                                    0,
	} {
		if got[series] != want {
			t.Errorf("%s: %v, want %v", series, got[series], want)
		}
	}
	if at := got["restaple_config_last_reload_success_timestamp_seconds"]; time.Since(time.Unix(int64(at), 0)) > time.Minute {
		t.Errorf("configuration taken at %v: a wrong one must not change that, and the first one was right", at)
	}
	m.ConfigTaken(nil)
	if got := s.scrape(t)["restaple_config_last_reload_successful"]; got != 1 {
		t.Errorf("after a right configuration: %v", got)
	}
}

func TestRespondersBeyondTheBoundShareOneLabel(t *testing.T) {
	src := &scene{}
	for i := range 3 * mostResponders {
		src.lanes = append(src.lanes, responder.LaneState{Host: fmt.Sprintf("r%d.example", i), State: "open", InFlight: 1, Limit: 2, Queued: 3})
	}
	src.lanes[250].State = "down"
	s := start(t, "tcp", src, false)
	for i := range 3 * mostResponders {
		s.metrics.Asked(agent.Attempt{Responder: fmt.Sprintf("r%d.example", i), Reason: "good", Took: time.Second})
	}
	got := s.scrape(t)
	for _, family := range []string{
		"restaple_attempts_total", "restaple_request_duration_seconds_count",
		"restaple_responder_up", "restaple_responder_requests_queued",
	} {
		n := 0
		for series := range got {
			if strings.HasPrefix(series, family+"{") {
				n++
			}
		}
		if n != mostResponders+1 {
			t.Errorf("%s: %d series, want %d", family, n, mostResponders+1)
		}
	}
	for series, want := range map[string]float64{
		`restaple_attempts_total{reason="good",responder="other"}`: 2 * mostResponders,
		`restaple_responder_requests_queued{responder="other"}`:    6 * mostResponders,
		`restaple_responder_requests_in_flight{responder="other"}`: 2 * mostResponders,
		`restaple_responder_up{responder="other"}`:                 0,
		`restaple_responder_up{responder="r7.example"}`:            1,
	} {
		if got[series] != want {
			t.Errorf("%s: %v, want %v", series, got[series], want)
		}
	}
}

// TestCountersOutliveAgents is what a reload does.
func TestCountersOutliveAgents(t *testing.T) {
	now := time.Now()
	s := start(t, "tcp", &scene{certs: []agent.Certificate{certificate("old", now)}}, false)
	s.metrics.Changed(hooks.Placed)
	s.scrape(t)
	s.SetSource(&scene{certs: []agent.Certificate{certificate("new", now), certificate("newer", now)}}, true)
	got := s.scrape(t)
	if got[`restaple_writes_total{event="placed"}`] != 1 || got[`restaple_certificates{state="fresh"}`] != 2 {
		t.Errorf("%v", got)
	}
}

var name = regexp.MustCompile(`^restaple_[a-z][a-z_]*[a-z]$`)

// TestEveryMetricIsNamedByTheConventions holds names and units against
// https://prometheus.io/docs/practices/naming/.
func TestEveryMetricIsNamedByTheConventions(t *testing.T) {
	s := start(t, "tcp", everyState(time.Now()), true)
	s.metrics.Asked(agent.Attempt{Responder: "a", Reason: "good"})
	s.metrics.HookRan("a", nil, 0)
	_, body := s.get(t, "/metrics")
	kinds, help := make(map[string]string), make(map[string]bool)
	for line := range strings.Lines(body) {
		f := strings.Fields(line)
		if len(f) > 3 && f[0] == "#" && strings.HasPrefix(f[2], "restaple_") {
			if f[1] == "TYPE" {
				kinds[f[2]] = f[3]
			} else {
				help[f[2]] = strings.HasSuffix(strings.TrimSpace(line), ".")
			}
		}
	}
	if len(kinds) < 25 {
		t.Errorf("only %d metrics: %v", len(kinds), slices.Sorted(maps.Keys(kinds)))
	}
	for n, kind := range kinds {
		switch {
		case !name.MatchString(n):
			t.Errorf("%s is no name", n)
		case (kind == "counter") != strings.HasSuffix(n, "_total"):
			t.Errorf("%s is a %s", n, kind)
		case kind == "histogram" && !strings.HasSuffix(n, "_seconds"):
			t.Errorf("%s has no unit", n)
		case !help[n]:
			t.Errorf("%s has no help that is a sentence", n)
		}
	}
}
