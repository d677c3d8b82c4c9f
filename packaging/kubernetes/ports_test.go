package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestPortsByNameAreThoseOfServers is about network plugins that do not find
// names of ports which only an init container has, native sidecars included
// (kubernetes/kubernetes#127958).
func TestPortsByNameAreThoseOfServers(t *testing.T) {
	read := func(file string) map[string]map[string]any {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(examples, file))
		if err != nil {
			t.Fatal(err)
		}
		return objects(t, string(text))
	}
	var asked []string
	ask := func(port any) {
		if name, ok := port.(string); ok {
			asked = append(asked, name)
		}
	}
	policy := read("base/networkpolicy.yaml")["NetworkPolicy web"]
	rules := slices.Concat(at(policy, "spec", "ingress").([]any), at(policy, "spec", "egress").([]any))
	for _, rule := range rules {
		for _, p := range at(rule, "ports").([]any) {
			ask(at(p, "port"))
		}
	}
	for _, p := range at(read("base/service.yaml")["Service web"], "spec", "ports").([]any) {
		ask(at(p, "targetPort"))
	}
	if len(rules) < 4 || len(asked) == 0 {
		t.Fatalf("got %d rules, ports %q", len(rules), asked)
	}
	for _, server := range []string{"nginx/server.yaml", "haproxy/server.yaml"} {
		var named []string
		for _, c := range at(read(server)["Deployment web"], "spec", "template", "spec", "containers").([]any) {
			for _, p := range at(c, "ports").([]any) {
				named = append(named, at(p, "name").(string))
			}
		}
		for _, name := range asked {
			if !slices.Contains(named, name) {
				t.Errorf("%s: no container has the port %s, got %q", server, name, named)
			}
		}
	}
}
