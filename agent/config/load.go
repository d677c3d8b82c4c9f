package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxBytes is more than anybody writes by hand, and little enough to read.
const maxBytes = 1 << 20

// Load reads the file at path. Paths in it that are relative are relative to
// its directory. The error is Problems if the file could be read.
func Load(path string) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return parse(path, dir, data)
}

// Parse reads a config from data. Name stands for the file in messages;
// relative paths stay as they are. An error is always Problems.
func Parse(name string, data []byte) (*Config, error) {
	return parse(name, "", data)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%s: larger than %d octets", path, maxBytes)
	}
	return data, nil
}

func parse(name, dir string, data []byte) (*Config, error) {
	r := &reader{file: name, dir: dir, nodes: maxNodes, named: make(map[string]namedHook), lines: make(map[string]int)}
	c := Default()
	c.file, c.lines = r.file, r.lines
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF): // nothing but comments
		return c, nil
	case err != nil:
		return nil, Problems{syntaxProblem(name, data, err)}
	}
	r.config(c, value{r: r, node: first.Content[0]})
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.problems = append(r.problems, Problem{File: name, Line: second.Line,
			Message: "a second YAML document begins here, but only one is read"})
	case !errors.Is(err, io.EOF):
		r.problems = append(r.problems, syntaxProblem(name, data, err))
	}
	if len(r.problems) > 0 {
		r.problems.Sort()
		return nil, r.problems
	}
	return c, nil
}

var (
	yamlError  = regexp.MustCompile(`^yaml: (?:line \d+: )?(.*)$`)
	tabbedLine = regexp.MustCompile(`^ *\t`)
)

// syntaxProblem says in which line YAML's syntax was broken. The parser's own
// messages are about its inner life, so the usual causes are named instead.
func syntaxProblem(name string, data []byte, err error) Problem {
	p := Problem{File: name, Line: brokenLine(data, err), Message: "not YAML: " + err.Error()}
	m := yamlError.FindStringSubmatch(err.Error())
	switch {
	case m == nil:
	case strings.Contains(m[1], "unknown anchor"):
		// The name may be a password that begins with an asterisk.
		p.Message = "not YAML: a value refers to an anchor that is not there; put a value that begins with * into quotes"
	case strings.Contains(m[1], "cannot start any token"):
		p.Message = "not YAML: a value begins with a character that needs quotes"
		for i, line := range strings.Split(string(data), "\n") {
			if tabbedLine.MatchString(line) {
				p.Line, p.Message = i+1, "not YAML: indented with a tab, use spaces"
				break
			}
		}
	case strings.Contains(m[1], "tab character"):
		p.Message = "not YAML: indented with a tab, use spaces"
	case !utf8.Valid(data) && strings.Contains(m[1], "UTF-8"):
		// What follows the octet decides what the parser says of it.
		rest := fromInvalid(data)
		p.Line = 1 + bytes.Count(data[:len(data)-len(rest)], []byte("\n"))
		p.Message = fmt.Sprintf("not UTF-8: octet 0x%02X is out of place", rest[0])
	default:
		p.Message = "not YAML: " + m[1]
	}
	return p
}

// brokenLine is the line by which parsing data is bound to end with err. The
// parser itself often names the line in which a list began, or none. It stops
// at the first mistake, so the lines after it change nothing.
func brokenLine(data []byte, err error) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		return sameError(parseError(bytes.Join(lines[:i+1], nil)), err)
	})
}

// fromInvalid is data from the first octet that is not UTF-8.
func fromInvalid(data []byte) []byte {
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			break
		}
		data = data[size:]
	}
	return data
}

func sameError(a, b error) bool { return a != nil && a.Error() == b.Error() }

// parseError is what the parser says of data, up to the first mistake.
func parseError(data []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		switch err := decoder.Decode(new(yaml.Node)); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
