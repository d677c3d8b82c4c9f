package stage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// has reports whether a signal is in one of the sets that proc(5)'s status
// shows: SigCgt has those that the process listens to, ShdPnd those that it has
// not taken yet.
func (p *Process) has(sig syscall.Signal, set string) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return false
	}
	_, mask, _ := strings.Cut(string(status), set+":")
	mask, _, _ = strings.Cut(mask, "\n")
	n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
	return err == nil && n>>(sig-1)&1 == 1
}

// Signal sends the process a signal as soon as it listens to it: while it
// starts it would end by it, and while it reloads lose it.
func (p *Process) Signal(sig syscall.Signal) {
	p.s.T.Helper()
	for deadline := time.Now().Add(runTime); !p.has(sig, "SigCgt"); time.Sleep(10 * time.Millisecond) {
		if p.Ended() || time.Now().After(deadline) {
			p.s.T.Fatalf("%s does not listen to %s", p.name, sig)
		}
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.s.T.Fatalf("signal %s: %v", p.name, err)
	}
}
