// Package kubernetes tests the manifests in examples/kubernetes and the Helm
// chart, without a cluster.
package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/restaple/restaple/packaging/internal/machine"
)

// version of Kubernetes: native sidecars work since 1.29.
const version = "1.30"

const (
	examples = "../../examples/kubernetes"
	chart    = "../helm/restaple-sidecar"
)

// variants are examples and what makes the chart be the same; nil: there is no
// such thing.
var variants = map[string][]string{
	"nginx":          {},
	"nginx-init":     nil,
	"haproxy":        {"--set", "server=haproxy"},
	"haproxy-reload": {"--set", "server=haproxy,haproxyTold=signal"},
}

// tool runs a program of packaging/tools and returns what it prints.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := machine.Tool(t, name, args...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if err != nil {
		err = errors.New(err.Error() + "\n" + problems.String() + out.String())
	}
	return out.String(), err
}

func build(t *testing.T, variant string) string {
	t.Helper()
	out, err := tool(t, "kustomize", "build", filepath.Join(examples, variant))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return tool(t, "helm", append([]string{"template", "web", chart, "--kube-version", version + ".0"}, args...)...)
}

// objects parses manifests, by kind and name.
func objects(t *testing.T, manifests string) map[string]map[string]any {
	t.Helper()
	out := make(map[string]map[string]any)
	d := yaml.NewDecoder(strings.NewReader(manifests))
	for {
		var o map[string]any
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, manifests)
		}
		if o != nil {
			out[o["kind"].(string)+" "+at(o, "metadata", "name").(string)] = o
		}
	}
}

// at walks down maps.
func at(v any, path ...string) any {
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func TestEveryVariantIsTested(t *testing.T) {
	entries, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "base" {
			got = append(got, e.Name())
		}
	}
	if want := slices.Sorted(maps.Keys(variants)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	readme, err := os.ReadFile(filepath.Join(examples, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range got {
		if !strings.Contains(string(readme), "]("+v+")") {
			t.Errorf("README.md does not name %s", v)
		}
	}
}

// TestChartHasTheFilesOfTheExamples keeps the copies that Helm needs the same.
func TestChartHasTheFilesOfTheExamples(t *testing.T) {
	copies := map[string]string{
		"restaple-nginx.yaml":          "nginx/restaple.yaml",
		"restaple-haproxy-socket.yaml": "haproxy/restaple.yaml",
		"restaple-haproxy-signal.yaml": "haproxy-reload/restaple.yaml",
		"site.conf":                    "nginx/site.conf",
		"haproxy.cfg":                  "haproxy/haproxy.cfg",
	}
	entries, err := os.ReadDir(filepath.Join(chart, "files"))
	if err != nil || len(entries) != len(copies) {
		t.Fatalf("got %v, %v, want %d files", entries, err, len(copies))
	}
	for _, e := range entries {
		got, err := os.ReadFile(filepath.Join(chart, "files", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(examples, copies[e.Name()]))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not %s", e.Name(), copies[e.Name()])
		}
	}
}
