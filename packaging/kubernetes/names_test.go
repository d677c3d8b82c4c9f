package kubernetes

import (
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent/config"
)

// TestWhatAPodNamesIsThere looks at what one part of a manifest says of another,
// which the types of Kubernetes do not, and at what the configurations in it say
// of the pod.
func TestWhatAPodNamesIsThere(t *testing.T) {
	t.Parallel() // with the pods, which wait more than they do
	for variant := range variants {
		t.Run(variant, func(t *testing.T) {
			all := objects(t, build(t, variant))
			web := at(all["Deployment web"], "spec", "template")
			labels := at(web, "metadata", "labels")
			for _, selector := range []any{
				at(all["Service web"], "spec", "selector"), at(all["NetworkPolicy web"], "spec", "podSelector", "matchLabels"),
				at(all["Deployment web"], "spec", "selector", "matchLabels"),
			} {
				if labels == nil || !reflect.DeepEqual(selector, labels) {
					t.Errorf("%v is selected, and the pod's labels are %v", selector, labels)
				}
			}
			p := parts{t: t, all: all, volumes: make(map[string]any), used: make(map[string]bool)}
			for _, v := range at(web, "spec", "volumes").([]any) {
				p.volumes[at(v, "name").(string)] = v
			}
			for _, c := range slices.Concat(at(web, "spec", "initContainers").([]any), at(web, "spec", "containers").([]any)) {
				p.look(c)
			}
			for name := range p.volumes {
				if !p.used[name] {
					t.Errorf("nobody mounts %s", name)
				}
			}
			if p.configs < 2 {
				t.Errorf("%d configurations were read, want restaple's and the server's", p.configs)
			}
		})
	}
}

// parts are what a pod is made of.
type parts struct {
	t       *testing.T
	all     map[string]map[string]any
	volumes map[string]any
	used    map[string]bool // volumes
	configs int             // read
}

// look checks one container.
func (p *parts) look(c any) {
	p.t.Helper()
	name := at(c, "name")
	ports := make(map[any]any)
	for _, x := range list(at(c, "ports")) {
		ports[at(x, "name")] = at(x, "containerPort")
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		for _, kind := range []string{"httpGet", "tcpSocket"} {
			if asks := at(c, probe, kind); asks != nil && ports[at(asks, "port")] == nil {
				p.t.Errorf("%s: %s asks at the port %v, there are %v", name, probe, at(asks, "port"), ports)
			}
		}
		if way := at(c, probe, "httpGet", "path"); way != nil && way != "/healthz" && way != "/readyz" {
			p.t.Errorf("%s: %s asks for %v", name, probe, way)
		}
	}
	mounts := make(map[string]any) // by directory
	for _, m := range list(at(c, "volumeMounts")) {
		volume := at(m, "name").(string)
		if p.used[volume] = true; p.volumes[volume] == nil {
			p.t.Errorf("%s mounts %s, which there is not", name, volume)
		}
		mounts[at(m, "mountPath").(string)] = m
	}
	for dir, m := range mounts {
		source, ok := at(p.volumes[at(m, "name").(string)], "configMap", "name").(string)
		if !ok {
			continue
		}
		data, ok := at(p.all["ConfigMap "+source], "data").(map[string]any)
		if !ok {
			p.t.Errorf("%s: there is no ConfigMap %s", name, source)
		}
		for file, text := range data {
			p.configs++
			p.read(name.(string), path.Join(dir, file), text.(string), c, mounts, ports)
		}
	}
}

// read checks a configuration that a container has at a path.
func (p *parts) read(name, file, text string, c any, mounts map[string]any, ports map[any]any) {
	p.t.Helper()
	code := regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(text, "")
	named := regexp.MustCompile(`/(?:etc|run|tmp|var)/[\w./{}-]+`).FindAllString(code, -1)
	for _, used := range named {
		if mounts[path.Dir(used)] == nil {
			p.t.Errorf("%s: %s names %s, and nothing is mounted there", name, file, used)
		}
	}
	if len(named) < 2 {
		p.t.Errorf("%s: %s names only %q", name, file, named)
	}
	if path.Base(file) != "restaple.yaml" {
		return
	}
	for _, words := range [][]any{list(at(c, "args")), list(at(c, "startupProbe", "exec", "command"))} {
		if i := slices.Index(words, any("--config")); len(words) > 0 && (i < 0 || words[i+1] != file) {
			p.t.Errorf("%s: called with %q, its configuration is %s", name, words, file)
		}
	}
	conf, err := config.Parse(file, []byte(text))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, set := range conf.Certificates {
		if m := mounts[path.Dir(set.Staple)]; m == nil || at(m, "readOnly") == true {
			p.t.Errorf("%s: cannot write %s", name, set.Staple)
		}
	}
	if m := mounts["/var/lib/restaple"]; m == nil || at(m, "readOnly") == true {
		p.t.Errorf("%s: has nowhere to keep its state", name)
	}
	if port, ok := ports["metrics"].(int); ok && !strings.HasSuffix(conf.Admin.Listen, ":"+strconv.Itoa(port)) {
		p.t.Errorf("%s: listens at %s, its port is %d", name, conf.Admin.Listen, port)
	}
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
