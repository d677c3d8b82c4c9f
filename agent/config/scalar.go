package config

import (
	"io/fs"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// quoted is text as it may be shown in a message: not too much of it.
func quoted(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "…"
	}
	return strconv.Quote(s)
}

// scalar returns a plain value as it stands in the file: 0644 is "0644".
func (v value) scalar(want string) (string, bool) {
	switch tag := v.node.ShortTag(); {
	case v.null():
		v.fail("has no value")
	case v.kind() == "a mapping" || v.kind() == "a list":
		v.fail("must be %s, got %s", want, v.kind())
	case !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge"}, tag):
		v.fail("a tag (!…) is not supported here")
	default:
		return v.node.Value, true
	}
	return "", false
}

// text is text that is not empty.
func (v value) text() (string, bool) {
	s, ok := v.scalar("text")
	switch {
	case !ok:
		return "", false
	case strings.TrimSpace(s) == "":
		v.fail("must not be empty")
		return "", false
	case strings.ContainsRune(s, 0):
		v.fail("must not hold a NUL character")
		return "", false
	}
	return s, true
}

// argument is one of a command's; it may be empty.
func (v value) argument() (string, bool) {
	s, ok := v.scalar("text")
	if ok && strings.ContainsRune(s, 0) {
		v.fail("must not hold a NUL character")
		return "", false
	}
	return s, ok
}

func (v value) boolean() (b, ok bool) {
	s, ok := v.scalar("true or false")
	if !ok {
		return false, false
	}
	if v.node.ShortTag() != "!!bool" {
		v.fail("must be true or false, without quotes, got %s", quoted(s))
		return false, false
	}
	return strings.EqualFold(s, "true"), true
}

// count is a whole number from 1.
func (v value) count() (int, bool) {
	s, ok := v.scalar("a whole number")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	switch {
	case err != nil:
		v.fail("must be a whole number, got %s", quoted(s))
		return 0, false
	case n < 1:
		v.fail("must be at least 1, got %d", n)
		return 0, false
	}
	return int(n), true
}

// rate is a number per second.
func (v value) rate() (float64, bool) {
	s, ok := v.scalar("a number")
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || math.IsNaN(f) || math.IsInf(f, 0):
		v.fail("must be a number of requests per second, got %s", quoted(s))
		return 0, false
	case f <= 0:
		v.fail("must be more than 0, got %s", quoted(s))
		return 0, false
	}
	return f, true
}

// oneOf returns a reader of text that is one of words.
func oneOf(words ...string) func(value) (string, bool) {
	return func(v value) (string, bool) {
		s, ok := v.text()
		if ok && !slices.Contains(words, s) {
			v.fail("%s is not known, %s", quoted(s), suggest(s, words))
			return "", false
		}
		return s, ok
	}
}

// filePath is a path, made absolute if the file's own is known.
func (v value) filePath() (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	return v.pathOf(s)
}

// variable is how a path begins that a shell would have filled in.
var variable = regexp.MustCompile(`^\$(\{|[A-Za-z_])`)

// pathOf makes s, which v holds, an absolute path.
func (v value) pathOf(s string) (string, bool) {
	switch {
	case s == "":
		v.fail("must name a file")
		return "", false
	case strings.HasPrefix(s, "~"):
		v.fail("~ is not expanded here, write the whole path (or ./~… if it is a name)")
		return "", false
	case variable.MatchString(s):
		v.fail("variables of the environment are not expanded here, write the whole path (or ./$… if it is a name)")
		return "", false
	case filepath.IsAbs(s) || v.r.dir == "":
		return filepath.Clean(s), true
	}
	return filepath.Join(v.r.dir, s), true
}

// fileMode is a file's permission in octal digits, in quotes or not.
func (v value) fileMode() (fs.FileMode, bool) {
	s, ok := v.scalar(`a mode such as "0644"`)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	switch {
	case err != nil || n > 0o777:
		v.fail("must be a mode in octal digits such as \"0644\", got %s", quoted(s))
		return 0, false
	case n&0o400 == 0:
		v.fail("must let the owner read the file, got %s", quoted(s))
		return 0, false
	}
	return fs.FileMode(n), true
}
