package agent_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestBenchmarksThatAreNamedExist is about commands in the documents: where a
// pattern matches nothing, go test runs nothing and says ok.
func TestBenchmarksThatAreNamedExist(t *testing.T) {
	command := regexp.MustCompile(`go test -run '\^\$' -bench '?([^' ]+)'? (?:-benchtime \w+ )?(\./[./a-z ]+)`)
	for page, least := range map[string]int{"BENCHMARKS.md": 6, "../README.md": 1} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		commands := command.FindAllStringSubmatch(string(text), -1)
		if len(commands) < least {
			t.Errorf("%s: found only %q", page, commands)
		}
		for _, c := range commands {
			for _, dir := range strings.Fields(c[2]) {
				names := benchmarksIn(t, filepath.Join("..", dir))
				for one := range strings.SplitSeq(c[1], "|") {
					name, _, _ := strings.Cut(one, "/")
					if !slices.ContainsFunc(names, regexp.MustCompile(name).MatchString) {
						t.Errorf("%s: nothing is called %s in %s, there are %q", page, name, dir, names)
					}
				}
			}
		}
	}
}

func benchmarksIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Benchmark\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			names = append(names, m[1])
		}
	}
	return names
}
