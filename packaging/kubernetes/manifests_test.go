package kubernetes

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestManifestsFitTheTypesOfKubernetes validates what the examples and the chart
// make against the API's own schemas.
func TestManifestsFitTheTypesOfKubernetes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		if strings.Count(text, "\nkind: ") < 4 {
			t.Fatalf("%s: got only\n%s", name, text)
		}
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := []string{"--version", version}
	for variant, values := range variants {
		args = append(args, write("example-"+variant, build(t, variant)))
		if values == nil {
			continue
		}
		text, err := template(t, values...)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, write("chart-"+variant, text))
	}
	if said, err := tool(t, "kubectl-validate", args...); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	wrong := write("wrong", strings.Replace(build(t, "nginx"), "startupProbe:", "startProbe:", 1))
	if said, err := tool(t, "kubectl-validate", "--version", version, wrong); err == nil {
		t.Errorf("a field that there is not passed: this test shows nothing\n%s", said)
	}
}

func TestHelmHasNoComplaintAboutTheChart(t *testing.T) {
	for variant, values := range variants {
		if said, err := tool(t, "helm", append([]string{"lint", "--strict", chart}, values...)...); err != nil {
			t.Errorf("%s: %v\n%s", variant, err, said)
		}
	}
	for _, wrong := range []string{"server=apache", "server=haproxy,haproxyTold=mail"} {
		if _, err := template(t, "--set", wrong); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}

// TestChartMakesWhatTheExamplesAre compares all objects but for what has to
// differ: names and labels of config maps, and annotations.
func TestChartMakesWhatTheExamplesAre(t *testing.T) {
	for variant, values := range variants {
		if values == nil {
			continue
		}
		text, err := template(t, values...)
		if err != nil {
			t.Fatal(err)
		}
		got, want := plain(t, text), plain(t, build(t, variant))
		if len(want) != 5 {
			t.Fatalf("%s: got %d objects, want a deployment, a service, a policy and two configurations", variant, len(want))
		}
		for name := range want {
			if !reflect.DeepEqual(got[name], want[name]) {
				t.Errorf("%s: %s: the chart makes\n%s\nthe example is\n%s", variant, name, show(t, got[name]), show(t, want[name]))
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: got %d objects, want %d", variant, len(got), len(want))
		}
	}
}

// plain parses manifests, and gives config maps the names that the chart gives
// them.
func plain(t *testing.T, text string) map[string]map[string]any {
	t.Helper()
	out := make(map[string]map[string]any)
	for name, o := range objects(t, text) {
		switch o["kind"] {
		case "ConfigMap":
			words := strings.Split(strings.TrimPrefix(at(o, "metadata", "name").(string), "web-"), "-")
			name = "ConfigMap " + words[0]
			delete(o, "metadata")
			data := o["data"].(map[string]any)
			for k, v := range data {
				data[k] = strings.TrimSpace(v.(string))
			}
		case "Deployment":
			delete(at(o, "spec", "template", "metadata").(map[string]any), "annotations")
			spec := at(o, "spec", "template", "spec").(map[string]any)
			for _, v := range spec["volumes"].([]any) {
				if c, ok := at(v, "configMap").(map[string]any); ok {
					c["name"] = strings.Split(strings.TrimPrefix(c["name"].(string), "web-"), "-")[0]
				}
			}
			for _, key := range []string{"volumes"} {
				sortByName(spec[key].([]any))
			}
			for _, key := range []string{"containers", "initContainers"} {
				for _, c := range spec[key].([]any) {
					sortByName(c.(map[string]any)["volumeMounts"].([]any))
				}
			}
		}
		out[name] = o
	}
	return out
}

func sortByName(list []any) {
	slices.SortFunc(list, func(a, b any) int {
		return strings.Compare(at(a, "name").(string), at(b, "name").(string))
	})
}

func show(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPodsAreRestricted checks what the restricted Pod Security Standard asks
// for, and what the examples promise beyond that.
func TestPodsAreRestricted(t *testing.T) {
	for variant := range variants {
		for name, o := range objects(t, build(t, variant)) {
			if o["kind"] != "Deployment" {
				continue
			}
			pod := at(o, "spec", "template", "spec")
			if at(pod, "securityContext", "runAsNonRoot") != true || at(pod, "securityContext", "seccompProfile", "type") != "RuntimeDefault" {
				t.Errorf("%s: %s: got security context\n%s", variant, name, show(t, at(pod, "securityContext")))
			}
			if at(pod, "automountServiceAccountToken") != false {
				t.Errorf("%s: %s has a service account's token", variant, name)
			}
			all := slices.Concat(at(pod, "initContainers").([]any), at(pod, "containers").([]any))
			if len(all) < 2 {
				t.Errorf("%s: got %d containers", variant, len(all))
			}
			for _, c := range all {
				locked := at(c, "securityContext")
				if at(locked, "allowPrivilegeEscalation") != false || at(locked, "readOnlyRootFilesystem") != true ||
					!reflect.DeepEqual(at(locked, "capabilities", "drop"), []any{"ALL"}) {
					t.Errorf("%s: container %s: got security context\n%s", variant, at(c, "name"), show(t, locked))
				}
				if at(c, "resources", "limits", "memory") == nil || at(c, "resources", "requests", "cpu") == nil {
					t.Errorf("%s: container %s has no resources", variant, at(c, "name"))
				}
				for _, m := range at(c, "volumeMounts").([]any) {
					if at(m, "name") == "tls" && at(m, "readOnly") != true {
						t.Errorf("%s: container %s may write to the Secret", variant, at(c, "name"))
					}
				}
			}
		}
	}
}
