package hooks

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// reception is what becomes of a signal to a process.
type reception struct {
	caught  bool // it has a handler
	ignored bool
	blocked bool // it waits until it is unblocked, or asked for
	pending bool // one waits
}

// receptionOf returns what becomes of the signal. It is known for processes that
// can be seen, which takes no rights unless /proc is mounted so.
func receptionOf(pid int, sig syscall.Signal) (r reception, known bool) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return reception{}, false
	}
	return parseReception(status, sig)
}

// parseReception reads proc(5)'s status, in which signals are the bits of a
// hexadecimal number.
func parseReception(status []byte, sig syscall.Signal) (r reception, known bool) {
	for line := range bytes.Lines(status) {
		key, mask, _ := bytes.Cut(line, []byte(":"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(mask)), 16, 64)
		if err != nil {
			continue // it is about something else
		}
		set := n>>(sig-1)&1 == 1
		switch string(key) {
		case "SigPnd", "ShdPnd": // of the thread, of the process
			r.pending = r.pending || set
		case "SigBlk":
			r.blocked = set
		case "SigIgn":
			r.ignored = set
		case "SigCgt":
			r.caught, known = set, true
		}
	}
	return r, known
}

// step is what to do about a signal next.
type step int

const (
	sendLast step = iota // and that was it
	sendOnce             // it may get lost
	wait
	taken
)

// next says what to do. A process that becomes another program to reload, as
// HAProxy's master does, blocks signals while it reads its files, and drops what
// has come meanwhile before it unblocks them. One that takes signals by
// sigwait(3) or signalfd(2) blocks them all the time, and has taken one when
// it waits no more.
func (r reception) next(sent bool) step {
	switch {
	case r.caught:
		return sendLast
	case r.ignored, sent && r.pending:
		return wait
	case sent:
		return taken
	case r.blocked:
		return sendOnce
	}
	return sendLast // it may have to end by that
}
