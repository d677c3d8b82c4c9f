package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/restaple/restaple/agent/config"
)

func TestTheReadmesConfigurationsAreGood(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(data), -1)
	if len(blocks) < 3 {
		t.Errorf("got %d configurations", len(blocks))
	}
	for _, b := range blocks {
		if _, err := config.Parse("README.md", []byte(b[1])); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
}

// TestTheReadmeNamesEveryCommandAndFlag finds what was added to the command line
// and told nobody, and what the README still tells of.
func TestTheReadmeNamesEveryCommandAndFlag(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)
	root := newRootCommand()
	root.InitDefaultCompletionCmd()
	known := make(map[string]bool)
	for _, cmd := range root.Commands() {
		known[cmd.Name()] = true
		if !cmd.Hidden && !regexp.MustCompile(`restaple `+cmd.Name()+`\b`).MatchString(readme) {
			t.Errorf("command %s is not in it", cmd.Name())
		}
	}
	for i, part := range strings.Split(readme, "```") {
		for _, m := range regexp.MustCompile("(?m)^restaple ([a-z]+)").FindAllStringSubmatch(part, -1) {
			if i%2 == 1 && !known[m[1]] { // in a block of code
				t.Errorf("it names a command %s, and there is none", m[1])
			}
		}
	}
	run, _, err := root.Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	run.Flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(readme, "`--"+f.Name) {
			t.Errorf("flag --%s is not in it", f.Name)
		}
	})
	lab, _, err := root.Find([]string{"lab"})
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range lab.Commands() {
		if !regexp.MustCompile(`lab +[a-z|]*\b` + cmd.Name() + `\b`).MatchString(readme) {
			t.Errorf("command lab %s is not in it", cmd.Name())
		}
	}
}
