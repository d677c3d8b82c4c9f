package stage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
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
