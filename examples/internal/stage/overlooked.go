package stage

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// overlooked: a staple is placed after the server has looked for it and before
// it watches for it.
func (p *play) overlooked(looked string) {
	p.prepare(lasting)
	p.server = p.Serve(p.Stage)
	p.until("the server has looked for its staple", func() error {
		trace, err := os.ReadFile(p.Path(tracePath))
		if err == nil && !strings.Contains(string(trace), looked) {
			err = fmt.Errorf("so far: %s", trace)
		}
		return err
	})
	agent := p.Agent()
	p.until("the staple is placed", func() error {
		_, err := os.Stat(p.staple(p.Certificates[0]))
		return err
	})
	send := func(sig syscall.Signal) {
		if err := agent.cmd.Process.Signal(sig); err != nil {
			p.T.Fatalf("restaple: %v: %v", sig, err)
		}
	}
	send(syscall.SIGSTOP) // nothing else happens before the server watches
	defer send(syscall.SIGCONT)
	var first Sight
	p.until("the server takes connections", func() (err error) {
		first, err = p.client(0).Look()
		return err
	})
	send(syscall.SIGCONT)
	if first.Kind != None {
		p.T.Logf("the server was not slow enough to overlook the staple: it serves %v", first)
	}
	p.see(Good, time.Time{})
}

// tracePath is what a slowed server has done.
const tracePath = "/var/log/trace"

// StartSlowed is Start of a program that does the first of the system calls of
// a name later, and the calls traced, besides this one, are those by which it
// looks for staples.
func (s *Stage) StartSlowed(call string, by time.Duration, traced, program string, args ...string) *Process {
	s.T.Helper()
	need(s.T, "strace")
	if out, err := exec.Command("strace", "-o", os.DevNull, "true").CombinedOutput(); err != nil { // containers may not allow it
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "strace") {
			s.T.Fatalf("RESTAPLE_TEST_REQUIRE names strace: %v: %s", err, out)
		}
		s.T.Skipf("strace cannot be used: %v: %s", err, out)
	}
	s.Dir("/var/log")
	slow := fmt.Sprintf("inject=%s:delay_enter=%d:when=1", call, by.Microseconds())
	return s.Start("strace", append([]string{"-I", "1", "-f", "-o", s.Path(tracePath), "-e", "trace=" + call + "," + traced, "-e", slow, program}, args...)...)
}
