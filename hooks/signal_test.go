package hooks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// server is a process that says on its output which signals it gets. Its name
// is its own, so that tests can find it.
type server struct {
	name  string
	cmd   *exec.Cmd
	in    io.Writer
	lines *bufio.Scanner
}

const serverScript = `trap 'echo hup' HUP; trap 'echo usr2' USR2; echo ready; while :; do read -r _; done`

// startServer starts one, with a worker of the same name if asked.
func startServer(t *testing.T, worker bool) *server {
	t.Helper()
	if worker {
		return startScript(t, `"$0" -c 'trap "echo worker hup" HUP; while :; do read -r _; done' & `+serverScript)
	}
	return startScript(t, serverScript)
}

// startScript starts one that does what a script says.
func startScript(t *testing.T, script string) *server {
	t.Helper()
	// A shell cannot trap what it ignored from the start, as under nohup.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sh)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{name: fmt.Sprintf("server-%d-with-a-long-name", os.Getpid())}
	path := filepath.Join(t.TempDir(), s.name)
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(path, "-c", script, path)
	in, err := s.cmd.StdinPipe() // read waits for it
	if err != nil {
		t.Fatal(err)
	}
	s.in = in
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		s.cmd.Wait()
	})
	s.lines = bufio.NewScanner(out)
	s.want(t, "ready")
	return s
}

// want waits for a line of the output. A shell that is about to read when a
// signal comes tells of it after the read, so it gets something to read.
func (s *server) want(t *testing.T, want string) {
	t.Helper()
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		t.Fatal(err)
	}
	if !s.lines.Scan() || s.lines.Text() != want {
		t.Fatalf("got %q (%v), want %q", s.lines.Text(), s.lines.Err(), want)
	}
}

func deliverSignal(t *testing.T, o SignalOptions) error {
	t.Helper()
	return deliver(t.Context(), t, o)
}

func deliver(ctx context.Context, t *testing.T, o SignalOptions) error {
	t.Helper()
	a, err := NewSignal(o)
	if err != nil {
		t.Error(err)
		return err
	}
	return a.Deliver(ctx, nil)
}

func TestASignalReachesTheProcessOfThePIDFile(t *testing.T) {
	s := startServer(t, false)
	file := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n", s.cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, word := range map[string]string{"": "hup", s.name: "usr2"} {
		sig := syscall.SIGHUP
		if word == "usr2" {
			sig = syscall.SIGUSR2
		}
		if err := deliverSignal(t, SignalOptions{PIDFile: file, Process: name, Signal: sig}); err != nil {
			t.Error(err)
		}
		s.want(t, word)
	}
	err := deliverSignal(t, SignalOptions{PIDFile: file, Process: "nginx", Signal: syscall.SIGKILL})
	if got, want := fmt.Sprint(err), fmt.Sprintf("process %d is not nginx", s.cmd.Process.Pid); got != want {
		t.Errorf("stale file: got %q, want %q", got, want)
	}
	if !alive(s.cmd.Process.Pid) {
		t.Error("the process of another name was signalled")
	}
}

func TestAPIDFileThatIsNoneIsNamed(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, content, want string }{
		{"empty", "", "holds no process id"},
		{"zero", "0\n", "holds no process id"},
		{"every process", "-1\n", "holds no process id"},
		{"words", "nginx\n", "holds no process id"},
		{"too large", "99999999999\n", "holds no process id"},
		{"ended", strconv.Itoa(ended.Process.Pid), "process already finished"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			err := deliverSignal(t, SignalOptions{PIDFile: file, Signal: syscall.SIGHUP})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	err := deliverSignal(t, SignalOptions{PIDFile: "/missing/pid", Signal: syscall.SIGHUP})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/missing/pid") {
		t.Errorf("got %v", err)
	}
}

func TestASignalByNameReachesTheMasterOnly(t *testing.T) {
	s := startServer(t, true)
	for range 3 {
		if err := deliverSignal(t, SignalOptions{Process: s.name, Signal: syscall.SIGHUP}); err != nil {
			t.Fatal(err)
		}
		s.want(t, "hup")
	}
	// The worker's line would be before this one.
	if err := deliverSignal(t, SignalOptions{Process: s.name, Signal: syscall.SIGUSR2}); err != nil {
		t.Fatal(err)
	}
	s.want(t, "usr2")
	err := deliverSignal(t, SignalOptions{Process: "no-such-server", Signal: syscall.SIGHUP})
	if got, want := fmt.Sprint(err), `there is no process named "no-such-server"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewSignalNeedsATargetAndASignal(t *testing.T) {
	for _, o := range []SignalOptions{{Signal: syscall.SIGHUP}, {Process: "nginx"}, {PIDFile: "/run/nginx.pid"}} {
		if _, err := NewSignal(o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}

func FuzzParsePID(f *testing.F) {
	for _, seed := range []string{"", "1", "1234\n", "1234\n/var/lib/x\n", " 12 \n", "0", "-1", "+5", "99999999999", "0x10"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if pid, err := parsePID(content); err == nil && pid < 1 || err != nil && pid != 0 {
			t.Errorf("got %d, %v", pid, err)
		}
	})
}

func FuzzParseStat(f *testing.F) {
	for _, seed := range []string{"", ")", "1 (a) S 0 1", "1 (a b) ) Z 0 1", "1 ((sd-pam)) S 77 1", "1 (a) S x", "1 (a) S"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stat []byte) {
		if parent, err := parseStat(stat); err != nil && parent != 0 {
			t.Errorf("got %d, %v", parent, err)
		}
	})
}
