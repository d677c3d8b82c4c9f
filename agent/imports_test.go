package agent_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImportsPointOneWay holds the code against the picture in doc.go.
func TestImportsPointOneWay(t *testing.T) {
	const module = "github.com/restaple/restaple/"
	allowed := map[string][]string{
		"watcher/chain":    {},
		"writer":           {},
		"watcher":          {"watcher/chain"},
		"agent/staple":     {"watcher/chain"},
		"agent/schedule":   {},
		"agent/profile":    {"agent/staple", "watcher/chain"},
		"agent/responder":  {"watcher/chain"},
		"agent/lab":        {},
		"agent/lab/badnet": {},
		"agent/config":     {"agent/profile", "agent/prove", "agent/schedule", "hooks"},
		"agent/prove":      {"agent/staple", "watcher/chain"},
		"hooks":            {"writer"},
		"hooks/haproxy":    {"hooks"},
		"agent": {"agent/profile", "agent/responder", "agent/schedule", "agent/staple", "agent/prove",
			"hooks", "watcher", "watcher/chain", "writer"},
		"agent/admin":  {"agent", "agent/answer", "agent/prove", "agent/responder", "hooks"},
		"agent/answer": {"agent", "agent/responder", "agent/schedule", "agent/staple", "watcher", "watcher/chain", "writer"},
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		if strings.HasPrefix(pkg, "cmd/") || strings.HasPrefix(pkg, "examples/") || strings.HasPrefix(pkg, "packaging") {
			continue
		}
		may, known := allowed[pkg]
		if !known {
			t.Errorf("package %s is not in the picture", pkg)
			continue
		}
		seen++
		for _, i := range fields[1:] {
			if dep, ours := strings.CutPrefix(i, module); ours && !slices.Contains(may, dep) {
				t.Errorf("%s imports %s: the picture in doc.go has no such arrow", pkg, dep)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages were looked at", seen)
	}
}

// TestOutsideDoors holds the third-party packages against those that may let
// them in.
func TestOutsideDoors(t *testing.T) {
	doors := map[string][]string{
		"github.com/spf13/":             {"cmd/restaple"},
		"gopkg.in/yaml.v3":              {"agent/config"},
		"github.com/robfig/cron":        {"agent/schedule"},
		"github.com/fsnotify/":          {"watcher"},
		"github.com/bmatcuk/doublestar": {"watcher", "agent/config"},
		"github.com/prometheus/":        {"agent/admin"},
		"golang.org/x/crypto/ocsp":      {"agent/responder", "agent/staple"},
	}
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "github.com/restaple/restaple/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], "github.com/restaple/restaple/")
		if strings.HasPrefix(pkg, "examples/") || strings.HasPrefix(pkg, "packaging") {
			continue // tests and their harness
		}
		for prefix, may := range doors {
			for _, i := range fields[1:] {
				if strings.HasPrefix(i, prefix) && !slices.Contains(may, pkg) {
					t.Errorf("%s imports %s, which has other doors: %v", pkg, i, may)
				}
			}
		}
	}
}
