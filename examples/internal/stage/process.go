package stage

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a server, or restaple, that runs until it is stopped.
type Process struct {
	s    *Stage
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of its end
}

const (
	stopTime = 10 * time.Second // for a process to end when it is asked to
	runTime  = 30 * time.Second // for a command
	logShown = 16 << 10         // bytes of a log
)

// Start starts a program that stays in the foreground. It ends with the test,
// with all that it has started; what it said is shown if the test has failed.
func (s *Stage) Start(program string, args ...string) *Process {
	s.T.Helper()
	log, err := os.CreateTemp(s.Dir("/var/log"), filepath.Base(program)+"-*.log")
	if err != nil {
		s.T.Fatal(err)
	}
	defer log.Close()
	p := &Process{s: s, name: filepath.Base(program), done: make(chan struct{})}
	full := s.command(program, args)
	p.cmd = exec.Command(full[0], full[1:]...)
	p.cmd.Env = s.environment()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		s.T.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	s.T.Cleanup(func() { _ = p.Stop() }) // how it ends is for those who ask it to
	return p
}

// Stop asks the process to end, and then ends it and its group.
func (p *Process) Stop() error {
	group := p.cmd.Process.Pid
	select {
	case <-p.done: // by itself, or stopped before
		syscall.Kill(-group, syscall.SIGKILL)
		return p.err
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	for asked := 1; ; asked++ {
		select {
		case <-p.done:
		case <-time.After(stopTime):
			if asked == 1 && p.name != "restaple" {
				_ = p.cmd.Process.Signal(syscall.SIGTERM) // hitch loses it while it reloads
			}
			if asked == 1 {
				continue // or the machine is busy
			}
			p.s.T.Errorf("%s has not ended %v after it was asked to", p.name, 2*stopTime)
		}
		break
	}
	syscall.Kill(-group, syscall.SIGKILL)
	<-p.done
	return p.err
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Run runs a command to its end and returns what it said and its exit code.
func (s *Stage) Run(program string, args ...string) (said string, code int) {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), runTime)
	defer cancel()
	full := s.command(program, args)
	cmd := exec.CommandContext(ctx, full[0], full[1:]...)
	cmd.Env = s.environment()
	out, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited || ctx.Err() != nil {
		s.T.Fatalf("%s: %v, %v\n%s", cmd, err, ctx.Err(), out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// environment is that of this process without what would have restaple ask or
// write elsewhere.
func (s *Stage) environment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.Root,
		"STATE_DIRECTORY=" + s.Path("/var/lib/restaple"),
	}
	if dir, ok := os.LookupEnv("GOCOVERDIR"); ok {
		env = append(env, "GOCOVERDIR="+dir)
	}
	return append(env, s.Env...)
}

// showLogs shows the ends of all log files, if the test has failed.
func (s *Stage) showLogs() {
	if !s.T.Failed() {
		return
	}
	for _, f := range append(s.glob("/var/log/*"), s.glob("/var/log/*/*")...) {
		if data, err := os.ReadFile(f); err == nil && len(data) > 0 {
			s.T.Logf("%s:\n%s", filepath.Base(f), bytes.TrimSpace(data[max(0, len(data)-logShown):]))
		}
	}
}
