package haproxy

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// maxAsked is how many certificates a process is asked about in one
	// delivery, to find those that go by another name there.
	maxAsked = 1000

	// listTimeout is for the names of very many certificates.
	listTimeout = 30 * time.Second
)

// catalogue is what one process has loaded, as far as it was asked.
type catalogue struct {
	line
	names   []string          // sorted
	stems   map[string][]int  // into names: those that may be meant by another path
	serials map[string]string // by name
	asked   int               // certificates, out of maxAsked
	rest    int               // index into names of the next one to ask about
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
	for i, name := range c.names {
		c.stems[stem(name)] = append(c.stems[stem(name)], i)
	}
	return nil
}

// find returns the name under which the certificate at path is loaded: the
// path itself, or another one if it is given with crt-base, through a link or
// as the alias of a crt-store. If name is "", it is not loaded, and earlier is
// the serial of the one that is loaded from path.
func (c *catalogue) find(ctx context.Context, path, serial string) (name, earlier string, err error) {
	if err := c.list(ctx); err != nil {
		return "", "", err
	}
	if _, ok := slices.BinarySearch(c.names, path); ok {
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
	for name, loaded := range c.serials {
		if sameSerial(loaded, serial) {
			return name, "", nil
		}
	}
	for ; c.rest < len(c.names) && c.asked < maxAsked; c.rest++ {
		if ok, err := c.is(ctx, c.names[c.rest], serial); ok || err != nil {
			return c.names[c.rest], "", err
		}
	}
	return "", "", nil
}

// is reports whether the certificate called name has a serial.
func (c *catalogue) is(ctx context.Context, name, serial string) (bool, error) {
	if _, known := c.serials[name]; !known && c.asked >= maxAsked {
		return false, nil
	}
	loaded, err := c.serial(ctx, name)
	return err == nil && sameSerial(loaded, serial), err
}

// serial asks for the serial of the certificate called name, once.
func (c *catalogue) serial(ctx context.Context, name string) (string, error) {
	if s, ok := c.serials[name]; ok {
		return s, nil
	}
	c.asked++
	reply, err := c.say(ctx, "show ssl cert "+escape(name), "")
	if err != nil {
		return "", err
	}
	// Without one it was deleted meanwhile, or is the head of a bundle.
	c.serials[name] = parseField(reply, "Serial")
	return c.serials[name], nil
}

// stem is a file's name without what configurations leave out or add.
func stem(path string) string {
	base := filepath.Base(path)
	if i := strings.IndexByte(base, '.'); i > 0 {
		return base[:i]
	}
	return base
}
