package admin

import (
	"strings"
	"sync"
)

// mostResponders is how many responders have series of their own. Certificates
// name their responders, and may come from people who make them up.
const mostResponders = 100

// other is the label of all responders beyond those.
const other = "other"

// bounded lets so many values become labels, in the order they come.
type bounded struct {
	most int

	mu   sync.Mutex
	seen map[string]string
}

func newBounded(most int) *bounded { return &bounded{most: most, seen: make(map[string]string)} }

// label returns the label for v.
func (b *bounded) label(v string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l, ok := b.seen[v]; ok {
		return l
	}
	if len(b.seen) >= b.most {
		return other
	}
	l := utf8Label(v)
	b.seen[v] = l
	return l
}

// utf8Label makes a label of a file or host name, which may be any bytes: one
// that is not UTF-8 would make the whole answer an error.
func utf8Label(v string) string { return strings.ToValidUTF8(v, "\uFFFD") }
