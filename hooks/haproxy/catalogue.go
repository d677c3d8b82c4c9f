package haproxy

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// maxAgain is how many certificates a process is asked about once more in
	// one delivery, to find those that have since got the one that is looked
	// for, by another name.
	maxAgain = 1000

	// listTimeout is for the names of very many certificates.
	listTimeout = 30 * time.Second
)

// catalogue is what one process has loaded, as far as it was asked.
type catalogue struct {
	line
	learned *learned
	names   []string          // sorted
	stems   map[string][]int  // into names: those that may be meant by another path
	serials map[string]string // by name
	rest    int               // index into names of the next one that may not have been asked about yet
	again   int               // certificates asked about once more
}

// learned is what HAProxy said in earlier deliveries. It may be out of date, so
// it only tells where to look first: asking about a hundred thousand
// certificates takes half a minute.
type learned struct {
	names   map[string]string // by serial
	serials map[string]string // by name
	next    int               // index of the next name to ask about once more
}

func newLearned() *learned {
	return &learned{names: make(map[string]string), serials: make(map[string]string)}
}

// list asks for the names, once.
func (c *catalogue) list(ctx context.Context) error {
	if c.names != nil {
		return nil
	}
	reply, err := c.sayLimited(ctx, "show ssl cert", "", listTimeout, maxList)
	if err != nil {
		return err
	}
	if denied(reply) || !strings.HasPrefix(reply, "#") {
		return refused("show ssl cert", reply)
	}
	c.names = parseNames(reply)
	slices.Sort(c.names)
	c.stems = make(map[string][]int)
	c.serials = make(map[string]string)
	c.learned.forget(c.names)
	for i, name := range c.names {
		c.stems[stem(name)] = append(c.stems[stem(name)], i)
	}
	return nil
}

// forget lets go of what is loaded no more.
func (l *learned) forget(names []string) {
	gone := func(name string) bool {
		_, there := slices.BinarySearch(names, name)
		return !there
	}
	maps.DeleteFunc(l.serials, func(name, _ string) bool { return gone(name) })
	maps.DeleteFunc(l.names, func(_, name string) bool { return gone(name) })
}

// find returns the name under which the certificate at path is loaded: the
// path itself, or another one if it is given with crt-base, through a link or
// as the alias of a crt-store. If name is "", it is not loaded, and earlier is
// the serial of the one that is loaded from path.
func (c *catalogue) find(ctx context.Context, path, serial string) (name, earlier string, err error) {
	if err := c.list(ctx); err != nil {
		return "", "", err
	}
	if c.has(path) {
		loaded, err := c.serial(ctx, path)
		if err != nil {
			return "", "", err
		}
		if sameSerial(loaded, serial) {
			return path, "", nil
		}
		return "", loaded, nil
	}
	for _, i := range c.stems[stem(path)] {
		if ok, err := c.is(ctx, c.names[i], serial); ok || err != nil {
			return c.names[i], "", err
		}
	}
	if name := c.learned.names[normal(serial)]; c.has(name) {
		if ok, err := c.is(ctx, name, serial); ok || err != nil {
			return name, "", err
		}
	}
	name, err = c.search(ctx, serial)
	return name, "", err
}

// search asks about everything that was never asked about, and about some of
// the rest: deliveries take turns at that.
func (c *catalogue) search(ctx context.Context, serial string) (string, error) {
	for ; c.rest < len(c.names); c.rest++ {
		name := c.names[c.rest]
		if _, known := c.learned.serials[name]; known {
			continue
		}
		if ok, err := c.is(ctx, name, serial); ok || err != nil {
			return name, err
		}
	}
	for ; c.again < min(maxAgain, len(c.names)); c.again++ {
		c.learned.next = (c.learned.next + 1) % len(c.names)
		name := c.names[c.learned.next]
		if ok, err := c.is(ctx, name, serial); ok || err != nil {
			return name, err
		}
	}
	return "", nil
}

func (c *catalogue) has(name string) bool {
	_, ok := slices.BinarySearch(c.names, name)
	return ok
}

// is reports whether the certificate called name has a serial.
func (c *catalogue) is(ctx context.Context, name, serial string) (bool, error) {
	loaded, err := c.serial(ctx, name)
	return err == nil && sameSerial(loaded, serial), err
}

// serial asks for the serial of the certificate called name, once.
func (c *catalogue) serial(ctx context.Context, name string) (string, error) {
	if s, ok := c.serials[name]; ok {
		return s, nil
	}
	reply, err := c.say(ctx, "show ssl cert "+escape(name), "")
	if err != nil {
		return "", err
	}
	// Without one it was deleted meanwhile, or is the head of a bundle.
	s := parseField(reply, "Serial")
	c.serials[name], c.learned.serials[name] = s, s
	c.learned.names[normal(s)] = name
	return s, nil
}

// stem is a file's name without what configurations leave out or add.
func stem(path string) string {
	base := filepath.Base(path)
	if i := strings.IndexByte(base, '.'); i > 0 {
		return base[:i]
	}
	return base
}
