package kubernetes

import (
	"reflect"
	"strings"
	"testing"
)

// TestEveryValueOfTheChartDoesSomething sets each value and looks at what it
// changes, and has Helm look at the rest.
func TestEveryValueOfTheChartDoesSomething(t *testing.T) {
	pod := func(path ...string) []string { return append([]string{"spec", "template", "spec"}, path...) }
	for _, tt := range []struct {
		set    string
		object string
		path   []string
		first  string // the name of the container, in a list of them
		below  []string
		want   any
	}{
		{set: "replicas=5", object: "Deployment web", path: []string{"spec", "replicas"}, want: 5},
		{set: "name=shop", object: "Deployment shop", path: []string{"spec", "selector", "matchLabels"},
			want: map[string]any{"app.kubernetes.io/name": "shop"}},
		{set: "name=shop", object: "Service shop", path: []string{"spec", "selector"},
			want: map[string]any{"app.kubernetes.io/name": "shop"}},
		{set: "secretName=other", object: "Deployment web", path: pod("volumes"), first: "tls", below: []string{"secret", "secretName"}, want: "other"},
		{set: "waitForStaple=false", object: "Deployment web", path: pod("initContainers"), first: "restaple",
			below: []string{"startupProbe", "httpGet"}, want: map[string]any{"path": "/readyz", "port": "metrics"}},
		{set: "waitForStaple=false", object: "Deployment web", path: pod("initContainers"), first: "restaple",
			below: []string{"startupProbe", "exec"}, want: nil},
		{set: "image.repository=r.example/x,image.tag=1.2.3", object: "Deployment web", path: pod("initContainers"), first: "restaple",
			below: []string{"image"}, want: "r.example/x:1.2.3"},
		{set: "serverImage=r.example/n:1", object: "Deployment web", path: pod("containers"), first: "nginx", below: []string{"image"}, want: "r.example/n:1"},
		{set: "server=haproxy,serverImage=r.example/h:1", object: "Deployment web", path: pod("initContainers"), first: "links", below: []string{"image"}, want: "r.example/h:1"},
		{set: "imagePullSecrets[0].name=registry", object: "Deployment web", path: pod("imagePullSecrets"), want: []any{map[string]any{"name": "registry"}}},
		{set: "config.restaple=certificates: []", object: "ConfigMap web-restaple", path: []string{"data", "restaple.yaml"}, want: "certificates: []"},
		{set: "config.nginx=# mine", object: "ConfigMap web-nginx", path: []string{"data", "site.conf"}, want: "# mine"},
		{set: "server=haproxy,config.haproxy=# mine", object: "ConfigMap web-haproxy", path: []string{"data", "haproxy.cfg"}, want: "# mine"},
		{set: "resources.limits.memory=1Gi", object: "Deployment web", path: pod("initContainers"), first: "restaple",
			below: []string{"resources", "limits", "memory"}, want: "1Gi"},
		{set: "serverResources.limits.memory=2Gi", object: "Deployment web", path: pod("containers"), first: "nginx",
			below: []string{"resources"}, want: map[string]any{"limits": map[string]any{"memory": "2Gi"}}},
		{set: "networkPolicy.enabled=false", object: "NetworkPolicy web", path: nil, want: nil},
		{set: "server=haproxy,haproxyTold=signal", object: "Deployment web", path: pod("shareProcessNamespace"), want: true},
	} {
		text, err := template(t, "--set", tt.set)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if o, ok := objects(t, text)[tt.object]; ok {
			got = at(o, tt.path...)
		}
		if tt.first != "" {
			got = at(named(got, tt.first), tt.below...)
		}
		if s, ok := got.(string); ok {
			got = strings.TrimSpace(s)
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %s: got %v, want %v", tt.set, tt.object, got, tt.want)
		}
		if said, err := tool(t, "helm", "lint", "--strict", "--set", tt.set, chart); err != nil {
			t.Errorf("%s: %v\n%s", tt.set, err, said)
		}
	}
}

// TestMistakesInValuesAreSaid is about values that would be silently nothing,
// or more than was wanted: a policy without ports lets everything out.
func TestMistakesInValuesAreSaid(t *testing.T) {
	for set, want := range map[string]string{
		"replica=3":                                "replica",
		"networkpolicy.enabled=false":              "networkpolicy",
		"replicas=abc":                             "replicas",
		"server=apache":                            "server",
		"haproxyTold=sock":                         "haproxyTold",
		"secretName=":                              "secretName",
		"name=A_b":                                 "name",
		"waitForStaple=never":                      "waitForStaple",
		"networkPolicy.responderPorts=null":        "responderPorts",
		"networkPolicy.responderPorts={}":          "responderPorts",
		"networkPolicy.responderPorts={http}":      "responderPorts",
		"networkPolicy.responders=null":            "responders",
		"networkPolicy.responders={}":              "responders",
		"networkPolicy.monitoring=":                "monitoring",
		"imagePullSecrets={registry}":              "imagePullSecrets",
		"config.restaple.certificates[0].server=x": "config",
	} {
		if text, err := template(t, "--set", set); err == nil {
			t.Errorf("%s: taken, and gives\n%s", set, text)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q named", set, err, want)
		}
	}
}

func TestThePolicyOfTheChartIsWhatTheValuesSay(t *testing.T) {
	text, err := template(t, "--set", "networkPolicy.monitoring=prom", "--set", "networkPolicy.responderPorts={8080,2560}",
		"--set-json", `networkPolicy.responders=[{"ipBlock":{"cidr":"10.1.2.3/32"}}]`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kubernetes.io/metadata.name: prom\n", "- port: 8080\n", "- port: 2560\n", "cidr: 10.1.2.3/32\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, gone := range []string{"0.0.0.0/0", "- port: 80\n", "- port: 443\n"} {
		if strings.Contains(text, gone) {
			t.Errorf("%q is still in\n%s", gone, text)
		}
	}
}

// TestTwoReleasesDoNotMeet installs the chart twice into one namespace.
func TestTwoReleasesDoNotMeet(t *testing.T) {
	first, err := tool(t, "helm", "template", "one", chart, "--kube-version", version+".0")
	if err != nil {
		t.Fatal(err)
	}
	second, err := tool(t, "helm", "template", "two", chart, "--kube-version", version+".0")
	if err != nil {
		t.Fatal(err)
	}
	theirs := objects(t, second)
	for name := range objects(t, first) {
		if _, both := theirs[name]; both {
			t.Errorf("both releases have %s", name)
		}
	}
}

// named returns the member of a list that has a name.
func named(list any, name string) any {
	members, _ := list.([]any)
	for _, m := range members {
		if at(m, "name") == name {
			return m
		}
	}
	return nil
}
