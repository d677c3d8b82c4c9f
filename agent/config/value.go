package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxNodes is how many values a file may have after its aliases are followed.
// Without it a short file with aliases of aliases would keep us busy for ever.
const maxNodes = 200_000

// mergeKey stands for the keys of another mapping.
const mergeKey = "<<"

// reader is what all values of one file share.
type reader struct {
	file     string
	dir      string // that relative paths are relative to; "": leave them
	nodes    int    // how many more values may be looked at
	problems Problems
	named    map[string]namedHook
	hooks    []*Hook        // in the order they were read
	lines    map[string]int // of keys and items
}

// value is one place in the file.
type value struct {
	r    *reader
	node *yaml.Node
	path string // such as certificates[1].paths
}

// key is a key of a mapping and what to do with its value.
type key struct {
	name string
	read func(value)
}

func (v value) fail(format string, args ...any) { v.failAt(v.node.Line, format, args...) }

func (v value) failAt(line int, format string, args ...any) {
	v.r.problems = append(v.r.problems, Problem{v.r.file, line, v.path, fmt.Sprintf(format, args...)})
}

// at is the value of node, with aliases followed. It is not ok if there have
// been too many, which is said once.
func (v value) at(node *yaml.Node, path string) (_ value, ok bool) {
	if v.r.nodes--; v.r.nodes < 0 {
		if v.r.nodes == -1 {
			v.fail("the file has more than %d values with its aliases", maxNodes)
		}
		return v, false
	}
	return value{v.r, follow(node), path}, true
}

// follow is what an alias stands for.
func follow(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func (v value) null() bool { return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null" }

// kind names what stands in the file, for people.
func (v value) kind() string {
	switch {
	case v.node.Kind == yaml.MappingNode:
		return "a mapping"
	case v.node.Kind == yaml.SequenceNode:
		return "a list"
	case v.null():
		return "nothing"
	case v.node.ShortTag() == "!!str":
		return "text"
	}
	return "a plain value"
}

// pairs calls read for each key and value of a mapping, and reports whether
// there is one. Nothing at all is an empty one: its content may be commented
// out.
func (v value) pairs(read func(name string, line int, v value)) bool {
	switch {
	case v.null():
		return true
	case v.node.Kind != yaml.MappingNode:
		v.fail("must be a mapping (key: value), got %s", v.kind())
		return false
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, ok := v.at(v.node.Content[i], v.path)
		if !ok {
			return false
		}
		if k.node.Kind != yaml.ScalarNode {
			k.fail("a key must be text, got %s", k.kind())
			continue
		}
		name := k.node.Value
		child, ok := v.at(v.node.Content[i+1], join(v.path, name))
		if !ok {
			return false
		}
		if line := lines[name]; line > 0 {
			child.failAt(k.node.Line, "given twice, first in line %d", line)
			continue
		}
		lines[name] = k.node.Line
		read(name, k.node.Line, child)
	}
	return true
}

// given are the keys of a mapping; nil if there is no mapping.
type given map[string]bool

// keys reads a mapping that has no other keys than known ones.
func (v value) keys(known ...key) given {
	found := make(given)
	ok := v.pairs(func(name string, line int, child value) {
		i := slices.IndexFunc(known, func(k key) bool { return k.name == name })
		if i >= 0 {
			found[name] = true
			v.r.lines[child.path] = line
			known[i].read(child)
			return
		}
		var names []string
		for _, k := range known {
			names = append(names, k.name)
		}
		if name == mergeKey {
			child.failAt(line, "merging mappings is not supported, write the keys out")
			return
		}
		child.failAt(line, "unknown key, %s", suggest(name, names))
	})
	if !ok {
		return nil
	}
	return found
}

// need complains if none of the keys is in a mapping.
func (v value) need(g given, names ...string) {
	if g != nil && !slices.ContainsFunc(names, func(name string) bool { return g[name] }) {
		v.fail("%s is missing", strings.Join(names, " or "))
	}
}

// items calls read for each item of a list, and reports whether there is one,
// be it empty.
func (v value) items(read func(value)) bool {
	switch {
	case v.null():
		return false
	case v.node.Kind != yaml.SequenceNode:
		v.fail("must be a list, got %s", v.kind())
		return false
	}
	for i, node := range v.node.Content {
		item, ok := v.at(node, v.path+"["+strconv.Itoa(i)+"]")
		if !ok {
			return true
		}
		v.r.lines[item.path] = item.node.Line
		read(item)
	}
	return true
}
