package config

import "strings"

// list reads a list whose items are all of one kind; those that are not right
// are left out.
func list[T any](v value, read func(value) (T, bool)) []T {
	var all []T
	v.items(func(v value) {
		if one, ok := read(v); ok {
			all = append(all, one)
		}
	})
	return all
}

// into returns a reader of a value which is kept in place if it is right.
func into[T any](place *T, read func(value) (T, bool)) func(value) {
	return func(v value) {
		if one, ok := read(v); ok {
			*place = one
		}
	}
}

// listInto does the same for a list.
func listInto[T any](place *[]T, read func(value) (T, bool)) func(value) {
	return func(v value) { *place = list(v, read) }
}

// filledList is a list that has at least one item.
func filledList[T any](v value, read func(value) (T, bool)) []T {
	before := len(v.r.problems)
	all := list(v, read)
	if len(all) == 0 && len(v.r.problems) == before {
		v.fail("must not be empty")
	}
	return all
}

// join appends a key to the path of its mapping. A key that is no word is not
// shown: it may be a secret in the wrong place.
func join(path, name string) string {
	if name != mergeKey && strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) || len(name) > 40 || name == "" {
		name = "(key not shown)"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
