package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

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
	r := &reader{file: name, dir: dir, nodes: maxNodes, named: make(map[string]namedHook)}
	c := Default()
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
		r.problems.sort()
		return nil, r.problems
	}
	return c, nil
}

var (
	yamlError  = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	tabbedLine = regexp.MustCompile(`^ *\t`)
)

// syntaxProblem says in which line YAML's syntax was broken. The parser's own
// messages are about its inner life, so the usual causes are named instead.
func syntaxProblem(name string, data []byte, err error) Problem {
	p := Problem{File: name, Line: 1, Message: "not YAML: " + err.Error()}
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil {
		return p
	}
	if n, err := strconv.Atoi(m[1]); err == nil {
		p.Line = n
	}
	switch {
	case strings.Contains(m[2], "unknown anchor"):
		// The name may be a password that begins with an asterisk.
		p.Message = "not YAML: a value refers to an anchor that is not there; put a value that begins with * into quotes"
		p.Line = 0
	case strings.Contains(m[2], "cannot start any token"):
		p.Message = "not YAML: a value begins with a character that needs quotes"
		for i, line := range strings.Split(string(data), "\n") {
			if tabbedLine.MatchString(line) {
				p.Line, p.Message = i+1, "not YAML: indented with a tab, use spaces"
				break
			}
		}
	default:
		p.Message = "not YAML: " + m[2]
	}
	return p
}
