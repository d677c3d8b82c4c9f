package config

import (
	"crypto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const examplePath = "../../examples/config/restaple.yaml"

func TestTheAnnotatedExampleLoads(t *testing.T) {
	c, err := Load(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(c.Certificates), 3; got != want {
		t.Fatalf("got %d certificates, want %d", got, want)
	}
	var names []string
	for _, h := range c.Certificates[1].Hooks {
		names = append(names, h.Name)
	}
	if got, want := strings.Join(names, " "), "reload-nginx webhook-audit renew-revoked"; got != want {
		t.Errorf("hooks: got %q, want %q", got, want)
	}
	if got, want := c.Responders[1].MaxInFlight, 32; got != want {
		t.Errorf("max_in_flight of the second responder: got %d, want %d, from that of all", got, want)
	}
	if got, want := c.Responders[1].Hash, crypto.SHA1; got != want {
		t.Errorf("hash of the second responder: got %v, want %v", got, want)
	}
}

// unknownKey is put into each mapping; the answer names the keys there are.
const unknownKey = "zzzzzzzzzzzzzzzz"

var knownKeys = regexp.MustCompile(`(\S+)\.` + unknownKey + `: unknown key, want one of (.*)`)

func TestTheAnnotatedExampleShowsEveryKey(t *testing.T) {
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]bool) // by paths without indices
	plant(doc.Content[0], "", shown)
	changed, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("x", changed)
	if err == nil {
		t.Fatal("unknown keys were accepted")
	}
	mappings := 0
	for _, problem := range err.(Problems) {
		m := knownKeys.FindStringSubmatch("." + problem.Field + ": " + problem.Message)
		if m == nil {
			continue // "give it a name", since the hook has a problem now
		}
		mappings++
		parent := index.ReplaceAllString(strings.TrimPrefix(m[1], "."), "")
		if parent == "certificates.hooks" {
			parent = "hooks" // the same keys
		}
		for name := range strings.SplitSeq(m[2], ", ") {
			if path := join(parent, name); !shown[path] {
				t.Errorf("the key %s is not in the example", path)
			}
		}
	}
	if mappings < 14 {
		t.Errorf("only %d mappings were looked at", mappings)
	}
}

var index = regexp.MustCompile(`\[\d+\]`)

// plant puts an unknown key into each mapping and notes which keys there are.
func plant(n *yaml.Node, path string, shown map[string]bool) {
	for i, child := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			plant(child, path, shown)
		case i%2 == 1:
			name := join(path, n.Content[i-1].Value)
			shown[name] = true
			if n.Content[i-1].Value != "headers" { // whose keys are free
				plant(child, name, shown)
			}
		}
	}
	if n.Kind == yaml.MappingNode {
		n.Content = append(n.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Value: unknownKey},
			&yaml.Node{Kind: yaml.ScalarNode, Value: "1"})
	}
}

func TestRelativePathsAreRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "restaple.yaml")
	text := "state_dir: state\ncertificates:\n- paths: [certs, ../other/*.pem, /abs]\n  staple: '{name}.ocsp'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, path := range []string{file, "restaple.yaml"} {
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		got := append([]string{c.StateDir, c.Certificates[0].Staple}, c.Certificates[0].Paths...)
		want := []string{filepath.Join(dir, "state"), "{name}.ocsp", filepath.Join(dir, "certs"),
			filepath.Join(filepath.Dir(dir), "other/*.pem"), "/abs"}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("loaded as %s: got %q, want %q", path, got, want)
		}
	}
}

func TestAFileThatCannotBeReadIsAnErrorThatNamesIt(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, maxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{large, filepath.Join(dir, "missing.yaml"), dir} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want an error that names %s", err, path)
		}
	}
}
