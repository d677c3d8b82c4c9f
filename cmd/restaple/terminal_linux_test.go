package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal opens a terminal and who sits at it.
func openTerminal(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err == nil {
		t.Cleanup(func() { _ = person.Close() })
		fd := int(person.Fd())
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
		if n, e := unix.IoctlGetInt(fd, unix.TIOCGPTN); err == nil && e == nil {
			terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
		} else if err == nil {
			err = e
		}
	}
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "terminal") {
			t.Fatal(err)
		}
		t.Skipf("no terminal here: %v", err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return person, terminal
}

// TestALongPassOnATerminalSaysHowFarItIs has a responder wait with its answer
// until the line is there. With a log that says nothing, the line has to go by
// itself.
func TestALongPassOnATerminalSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"info", "error"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			longPass(t, level)
		})
	}
}

func longPass(t *testing.T, level string) {
	person, terminal := openTerminal(t)
	s := newScene(t)
	seen := make(chan struct{})
	waits := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-seen:
		case <-time.After(patience):
			t.Errorf("no line within %v", patience)
		}
		s.responder.ServeHTTP(w, r)
	}))
	s.issue("at once.pem", s.issued.Certificate.OCSPServer[0])
	s.issue("later.pem", "http://"+waits+"/")
	cmd := exec.Command(os.Args[0], "refresh", "--config", s.config("allow: [127.0.0.0/8]", "timeout: 5m", "log: {level: "+level+"}"))
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = terminal
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = terminal.Close() // the other end sees the last one go
	var shown strings.Builder
	var reader sync.WaitGroup
	reader.Go(func() {
		line := regexp.MustCompile(`\r\x1b\[K1 of 2 certificates, \d+/s, \w+ left`)
		told := sync.OnceFunc(func() { close(seen) })
		buf := make([]byte, 4096)
		for {
			n, err := person.Read(buf)
			shown.Write(buf[:n])
			if line.MatchString(shown.String()) {
				told()
			}
			if err != nil { // EIO, when nobody has it open any more
				return
			}
		}
	})
	if err := cmd.Wait(); err != nil {
		t.Errorf("refresh: %v", err)
	}
	reader.Wait()
	if out.String() != "2 certificates: 2 fresh\n" {
		t.Errorf("printed %q", out.String())
	}
	if said := strings.Contains(shown.String(), "staple placed"); said != (level == "info") {
		t.Errorf("with level %s the log says\n%s", level, shown.String())
	}
	// The log goes to the same place, without the counter in its lines.
	for line := range strings.Lines(shown.String()) {
		if at := strings.Index(line, "time="); at > 0 && !strings.HasSuffix(line[:at], "\r\x1b[K") {
			t.Errorf("a line of the log runs into the counter: %q", line)
		}
	}
	if left := shown.String()[strings.LastIndexByte(shown.String(), '\n')+1:]; left != "" && !strings.HasSuffix(left, "\r\x1b[K") {
		t.Errorf("the counter is left: %q", left)
	}
}
