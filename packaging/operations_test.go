package packaging

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/staple"
)

// section returns the rows of the tables in a section of the guide, by the word
// in their first column.
func section(t *testing.T, title string) map[string]string {
	t.Helper()
	guide, err := os.ReadFile("OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(guide), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("no section %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	rows := make(map[string]string)
	for line := range strings.Lines(text) {
		if m := regexp.MustCompile("^\\| `([a-z-]+)` \\|(.*)\\|$").FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			if rows[m[1]] != "" {
				t.Errorf("%s: %s is there twice", title, m[1])
			}
			rows[m[1]] = strings.TrimSpace(m[2])
		}
	}
	return rows
}

// TestTheGuideKnowsEveryWord says that each state, reason and result has a row
// with an explanation, and that there are no others.
func TestTheGuideKnowsEveryWord(t *testing.T) {
	var states, reasons, results []string
	for _, s := range agent.States() {
		states = append(states, string(s))
	}
	for _, r := range staple.Reasons() {
		reasons = append(reasons, string(r))
	}
	for _, k := range kinds(t) {
		if !slices.Contains(reasons, k) {
			reasons = append(reasons, k)
		}
	}
	for _, r := range prove.Results() {
		results = append(results, string(r))
	}
	for title, want := range map[string][]string{"States": states, "Reasons": reasons, "What a server serves": results} {
		rows := section(t, title)
		for _, w := range want {
			if len(rows[w]) < 20 {
				t.Errorf("%s: %q says too little of %s", title, rows[w], w)
			}
			delete(rows, w)
		}
		for w := range rows {
			t.Errorf("%s: there is no %s", title, w)
		}
	}
}

// kinds returns the values of the constants of type responder.Kind.
func kinds(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../agent/responder/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Kind" {
			word, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, word)
		}
		return true
	})
	if len(out) < 10 {
		t.Fatalf("got only the kinds %q", out)
	}
	return out
}

func TestTheGuideKnowsEveryAlert(t *testing.T) {
	rules, err := os.ReadFile("prometheus/restaple.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts := regexp.MustCompile(`(?m)alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) == 0 {
		t.Fatal("no alerts")
	}
	for _, a := range alerts {
		if !regexp.MustCompile(`\b` + a[1] + `\b`).Match(guide) {
			t.Errorf("the guide does not know %s", a[1])
		}
	}
}

// TestLinksLeadSomewhere follows the links of the documents to files and
// sections.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, path := range []string{"OPERATIONS.md", "../SECURITY.md", "../examples/kubernetes/README.md", "../examples/systemd/README.md"} {
		followLinks(t, path)
	}
}

func followLinks(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
		to, section, _ := strings.Cut(m[1], "#")
		if strings.Contains(to, "://") {
			continue
		}
		file := path
		if to != "" {
			file = filepath.Join(filepath.Dir(path), to)
		}
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: %v", path, err)
		} else if section != "" && !slices.Contains(sectionsOf(t, file), section) {
			t.Errorf("%s: %s has no section %s", path, file, section)
		}
	}
}

// sectionsOf returns what links to the sections of a document end in.
func sectionsOf(t *testing.T, path string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, strings.ReplaceAll(strings.ToLower(m[1]), " ", "-"))
	}
	return names
}
