package config

import (
	"regexp"
	"strings"
	"syscall"

	"gopkg.in/yaml.v3"
)

// events are what a hook can be told of.
var events = []string{"placed", "withdrawn", "revoked"}

// hook reads a hook.
func (v value) hook() (*Hook, bool) {
	h := DefaultHook()
	before := len(v.r.problems)
	g := v.keys(
		key{"name", into(&h.Name, value.name)},
		key{"command", into(&h.Command, value.command)},
		key{"check", into(&h.Check, value.command)},
		key{"signal", into(&h.Signal, value.signal)},
		key{"webhook", into(&h.Webhook, value.webhook)},
		key{"haproxy", into(&h.HAProxy, value.haproxy)},
		key{"running", listInto(&h.Running, value.filePath)},
		key{"on", listInto(&h.On, oneOf(events...))},
		key{"delay", into(&h.Delay, value.pause)},
		key{"timeout", into(&h.Timeout, value.limit)},
	)
	var ways []string
	for _, way := range []string{"command", "signal", "webhook", "haproxy"} {
		if g[way] {
			ways = append(ways, way)
		}
	}
	v.need(g, "command", "signal", "webhook", "haproxy")
	if len(ways) > 1 {
		v.fail("does only one thing, but has %s", strings.Join(ways, " and "))
	}
	if g["check"] && len(ways) > 0 && !g["command"] {
		v.fail("check belongs to a command, and there is none")
	}
	return h, len(v.r.problems) == before
}

var hookName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// name is the name of a hook: a label of metrics, and of a directory.
func (v value) name() (string, bool) {
	s, ok := v.text()
	if ok && !hookName.MatchString(s) {
		v.fail("must be at most 64 letters, digits, dots, dashes and underscores, got %s", quoted(s))
		return "", false
	}
	return s, ok
}

// command is a program and its arguments.
func (v value) command() ([]string, bool) {
	if v.node.Kind == yaml.ScalarNode && !v.null() {
		v.fail(`must be a list such as ["nginx", "-s", "reload"]: there is no shell that would take it apart`)
		return nil, false
	}
	args := filledList(v, value.argument)
	if len(args) > 0 && args[0] == "" {
		v.fail("names no program")
	}
	return args, len(args) > 0
}

// signals are what servers take as a wish to look again, or to end.
var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "TERM": syscall.SIGTERM,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "WINCH": syscall.SIGWINCH,
}

func (v value) signal() (*Signal, bool) {
	s := &Signal{Signal: syscall.SIGHUP}
	g := v.keys(
		key{"pid_file", into(&s.PIDFile, value.filePath)},
		key{"process", into(&s.Process, value.text)},
		key{"signal", func(v value) {
			name, ok := v.text()
			if !ok {
				return
			}
			if s.Signal, ok = signals[strings.TrimPrefix(name, "SIG")]; !ok {
				v.fail("%s is not known, want one of HUP, INT, QUIT, TERM, USR1, USR2, WINCH", quoted(name))
			}
		}},
	)
	v.need(g, "pid_file", "process")
	return s, true
}

func (v value) webhook() (*Webhook, bool) {
	w := &Webhook{}
	g := v.keys(
		key{"url", into(&w.URL, value.webURL)},
		key{"headers", into(&w.Headers, value.headers)},
		key{"token_file", into(&w.TokenFile, value.filePath)},
	)
	v.need(g, "url")
	return w, true
}

func (v value) haproxy() (*HAProxy, bool) {
	h := &HAProxy{}
	v.need(v.keys(
		key{"socket", into(&h.Socket, value.socket)},
		key{"master", into(&h.Master, value.boolean)},
		key{"buffer", into(&h.Buffer, value.bufferSize)},
	), "socket")
	return h, true
}

// smallestBuffer and largestBuffer are what tune.bufsize can sensibly be.
const (
	smallestBuffer = 4096
	largestBuffer  = 1 << 20
)

func (v value) bufferSize() (int, bool) {
	n, ok := v.count()
	if ok && (n < smallestBuffer || n > largestBuffer) {
		v.fail("must be HAProxy's tune.bufsize, from %d to %d, got %d", smallestBuffer, largestBuffer, n)
		return 0, false
	}
	return n, ok
}
