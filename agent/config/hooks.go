package config

import (
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// namedHook is a hook and the field that it was read from.
type namedHook struct {
	hook  *Hook
	field string
}

// namedHook reads an entry of the list of hooks.
func (r *reader) namedHook(v value) {
	h, ok := v.hook()
	if !ok {
		// Known by its name, so that who refers to it makes no mistake.
		r.named[h.Name] = namedHook{field: v.path}
		return
	}
	if h.Name == "" {
		v.fail("needs a name, by which certificates refer to it")
		return
	}
	if first, taken := r.named[h.Name]; taken {
		v.fail("the name %s is already that of %s", quoted(h.Name), first.field)
		return
	}
	r.keep(h, v.path)
}

func (r *reader) keep(h *Hook, field string) {
	r.named[h.Name] = namedHook{h, field}
	r.hooks = append(r.hooks, h)
}

// usedHooks reads the hooks of certificates: names of hooks, or hooks.
func (r *reader) usedHooks(v value) []*Hook {
	var all []*Hook
	there := v.items(func(v value) {
		var h *Hook
		if v.node.Kind == yaml.MappingNode {
			h = r.inlineHook(v)
		} else if name, ok := v.text(); ok {
			known, ok := r.named[name]
			if !ok {
				v.fail("there is no hook %s, %s", quoted(name), suggest(name, r.hookNames()))
			}
			h = known.hook
		}
		if h != nil {
			all = append(all, h)
		}
	})
	if there && all == nil {
		return []*Hook{}
	}
	return all
}

// unusedHooks finds listed hooks that nobody would ever be told by.
func (r *reader) unusedHooks(c *Config, v value, listed []*Hook) {
	for _, h := range listed {
		used := slices.ContainsFunc(c.Certificates, func(set *Certificates) bool { return slices.Contains(set.Hooks, h) })
		if field := r.named[h.Name].field; !used {
			value{r, v.node, field}.failAt(r.lines[field], "%s is told of nothing: put its name into the hooks of certificates", quoted(h.Name))
		}
	}
}

func (r *reader) hookNames() []string {
	var names []string
	for _, h := range r.hooks {
		names = append(names, h.Name)
	}
	return names
}

// inlineHook reads a hook at the place where it is used. The same hook in
// another place is one hook: servers are not to be reloaded twice.
func (r *reader) inlineHook(v value) *Hook {
	h, ok := v.hook()
	if !ok {
		return nil
	}
	if h.Name == "" {
		h.Name = defaultName(h)
	}
	known, taken := r.named[h.Name]
	switch {
	case !taken:
		r.keep(h, v.path)
		return h
	case reflect.DeepEqual(known.hook, h):
		return known.hook
	}
	v.fail("would be called %s, which is already the name of another hook, %s; give it a name of its own", quoted(h.Name), known.field)
	return nil
}

// defaultName is what a hook is called that has no name: the same after each
// restart, and without arguments that may be secrets.
func defaultName(h *Hook) string {
	var words []string
	switch {
	case h.Command != nil:
		words = []string{filepath.Base(h.Command[0])}
		for _, arg := range h.Command[1:min(3, len(h.Command))] {
			if !plainWord.MatchString(arg) {
				break
			}
			words = append(words, arg)
		}
	case h.Signal != nil && h.Signal.Process != "":
		words = []string{"signal", h.Signal.Process}
	case h.Signal != nil:
		words = []string{"signal", filepath.Base(h.Signal.PIDFile)}
	case h.Webhook != nil:
		words = []string{"webhook"}
		if u, err := url.Parse(h.Webhook.URL); err == nil {
			words = append(words, u.Hostname())
		}
	case h.HAProxy != nil:
		words = []string{"haproxy", filepath.Base(h.HAProxy.Socket)}
	}
	name := strings.Trim(notName.ReplaceAllString(strings.Join(words, "-"), "-"), "-._")
	if name == "" {
		return "hook"
	}
	return name[:min(64, len(name))]
}

var (
	plainWord = regexp.MustCompile(`^[a-z]{1,16}$`)
	notName   = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)
