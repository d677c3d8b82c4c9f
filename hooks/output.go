package hooks

import (
	"bytes"
	"strings"
	"unicode"
)

// maxOutput is how much of a command's output is kept: its end, where the
// error message stands.
const maxOutput = 4 << 10

// tail is a writer that keeps the end of what is written.
type tail struct {
	kept []byte
	cut  bool
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.cut = true
	}
	return n, nil
}

// String returns the output on one line, fit for a log and a terminal.
func (t *tail) String() string {
	kept := t.kept
	if _, rest, ok := bytes.Cut(kept, []byte("\n")); ok && t.cut {
		kept = rest // the line before is not whole
	}
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(string(kept), "\uFFFD")) {
		line = strings.TrimSpace(strings.Map(printable, line))
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
