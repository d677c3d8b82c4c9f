package prometheus

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/restaple/restaple/agent"
)

const (
	rulesFile = "restaple.rules.yml"
	testsFile = "restaple.rules.test.yml"
)

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// rules reads the alert rules.
func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var out []rule
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	if len(out) < 10 {
		t.Fatalf("only %d rules", len(out))
	}
	return out
}

// promtool runs Prometheus's own tool.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "promtool") {
			t.Fatal(err)
		}
		t.Skip("promtool (Debian: prometheus) is not installed: no expression was evaluated")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestAlertsFireWhenTheyShouldAndOnlyThen(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "test", "rules", testsFile)
}

// TestEveryAlertIsTestedBothWays closes the set.
func TestEveryAlertIsTestedBothWays(t *testing.T) {
	text, err := os.ReadFile(testsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name     string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := make(map[string]bool), make(map[string]bool)
	for _, test := range file.Tests {
		for _, a := range test.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Expected) > 0
			quiet[a.Name] = quiet[a.Name] || len(a.Expected) == 0
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: a test in which it fires: %v, in which it does not: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s says nothing to whoever it wakes", r.Alert)
		}
	}
}

func TestAlertsAskForWhatThereIs(t *testing.T) {
	found := scraped(t)
	for _, r := range rules(t) {
		found.check(t, r.Alert, r.Expr)
		for _, used := range regexp.MustCompile(`restaple_[a-z_]+`).FindAllString(r.Annotations["description"], -1) {
			if found[used] == nil {
				t.Errorf("%s: the description names %s, which there is not", r.Alert, used)
			}
		}
	}
}

// TestNoStateGoesUnnoticed closes the set of states: each is alerted on, or
// nothing to be alerted by.
func TestNoStateGoesUnnoticed(t *testing.T) {
	well := []agent.State{agent.Fresh, agent.LeafExpired, agent.LeafNotYet, agent.NoResponder}
	alerted := make(map[string]bool)
	for _, r := range rules(t) {
		for _, m := range regexp.MustCompile(`state=~?"([^"]*)"`).FindAllStringSubmatch(r.Expr, -1) {
			for s := range strings.SplitSeq(m[1], "|") {
				alerted[s] = true
			}
		}
	}
	for _, s := range agent.States() {
		if alerted[string(s)] == slices.Contains(well, s) {
			t.Errorf("state %s: alerted on: %v", s, alerted[string(s)])
		}
	}
}

// expressions has promtool look at PromQL that stands elsewhere.
func expressions(t *testing.T, exprs []string) {
	t.Helper()
	type recording struct {
		Record, Expr string
	}
	type group struct {
		Name  string
		Rules []recording
	}
	g := group{Name: "x"}
	for _, e := range exprs {
		g.Rules = append(g.Rules, recording{"x", e})
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {g}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", file)
}
