package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// process is restaple running as a program of its own.
type process struct {
	*exec.Cmd
	t   *testing.T
	mu  sync.Mutex
	log bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) said(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.log.String(), text)
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...), t: t}
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stderr = p
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended already
		_ = p.Wait()
		if t.Failed() {
			t.Logf("restaple said:\n%s", p.log.String())
		}
	})
	return p
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// patience is how long a test waits for what has to come.
const patience = time.Minute

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond) // another process is at work
	}
}

func exists(path string) func() bool {
	return func() bool { _, err := os.Stat(path); return err == nil }
}

func TestHangupTakesAGoodConfigurationAndLeavesABadOne(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	second := t.TempDir()
	issued, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"second.test"}})
	if err != nil {
		t.Fatal(err)
	}
	s.write(filepath.Join(second, "second.pem"), issued.ChainPEM())
	file := filepath.Join(t.TempDir(), "restaple.yaml")
	config := func(text string) {
		s.write(file, fmt.Appendf(nil, "state_dir: %s\nallow: [127.0.0.0/8]\n%s\n", s.state, text))
	}
	config(fmt.Sprintf("certificates: [{paths: [%s]}]", s.dir))
	p := startProcess(t, "run", "--config", file)
	until(t, "the first staple", exists(s.cert+".ocsp"))

	config("certificates: [{pahts: [x]}]")
	p.signal(syscall.SIGHUP)
	until(t, "the mistake is named", func() bool { return p.said("the old one stays in force") && p.said("restaple.yaml:3") })
	if err := os.Remove(s.cert + ".ocsp"); err != nil {
		t.Fatal(err)
	}
	until(t, "the old configuration is in force", exists(s.cert+".ocsp"))

	config(fmt.Sprintf("certificates: [{paths: [%s]}]", second))
	p.signal(syscall.SIGHUP)
	until(t, "the new configuration is in force", exists(filepath.Join(second, "second.pem.ocsp")))

	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want a clean end", err)
	}
}

func TestTerminationEndsAHangingRequestAndHook(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	if err := s.responder.SetFault("hang"); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "run", "--state-dir", s.state, "--allow", "127.0.0.0/8", "--hook", "sleep 1000", s.dir)
	until(t, "the request hangs", func() bool { return s.responder.Received() > 0 })
	start := time.Now()
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if took := time.Since(start); took > 10*time.Second { // the request may take 15 s, the hook is for ever
		t.Errorf("it took %v to end", took)
	}
}
