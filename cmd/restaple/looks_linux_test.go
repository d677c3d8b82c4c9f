package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/restaple/restaple/agent/lab"
)

// needStrace returns the path of strace, or skips.
func needStrace(t *testing.T) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(strace, "-o", os.DevNull, "true").Run() // containers may not allow it
	}
	if err == nil {
		return strace
	}
	if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "strace") {
		t.Fatalf("RESTAPLE_TEST_REQUIRE names strace: %v", err)
	}
	t.Skipf("strace cannot be used: %v", err)
	return ""
}

// traced is what strace has written about looks at files.
type traced struct{ path string }

var (
	opened = regexp.MustCompile(`openat\([^"]*"[^"]*\.(pem|ocsp)"`)
	listed = regexp.MustCompile(`getdents64.*= 0$`) // the end of a directory
	looked = regexp.MustCompile(`(?:newfstatat|statx)\([^"]*"(?:[^"]*/)?(c\d+\.pem(?:\.ocsp)?)"`)
)

// sinceRead returns how often the directory was gone through since a file was
// last opened, and how often each file was looked at.
func (x traced) sinceRead(t *testing.T) (looks int, at map[string]int) {
	t.Helper()
	trace, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	at = make(map[string]int)
	for line := range strings.Lines(string(trace)) {
		line = strings.TrimSpace(line)
		switch {
		case opened.MatchString(line):
			looks = 0
			clear(at)
		case listed.MatchString(line):
			looks++
		}
		if m := looked.FindStringSubmatch(line); m != nil {
			at[m[1]]++
		}
	}
	return looks, at
}

func TestLookIsOneStatPerFile(t *testing.T) {
	t.Parallel()
	strace := needStrace(t)
	s := newScene(t)
	if err := os.Remove(s.cert); err != nil {
		t.Fatal(err)
	}
	const n = 40
	for i := range n {
		issued, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"many.test"}})
		if err != nil {
			t.Fatal(err)
		}
		s.write(filepath.Join(s.dir, fmt.Sprintf("c%d.pem", i)), issued.ChainPEM())
	}
	if code, _, stderr := s.command("refresh", s.dir); code != 0 {
		t.Fatalf("refresh: %s", stderr)
	}
	file := filepath.Join(t.TempDir(), "restaple.yaml")
	s.write(file, fmt.Appendf(nil, "state_dir: %s\nrescan: 1s\ncertificates: [{paths: [%s], hooks: []}]\n", s.state, s.dir))
	x := traced{filepath.Join(t.TempDir(), "trace")}
	p := exec.Command(strace, "-f", "-o", x.path, "-e", "trace=newfstatat,statx,openat,getdents64", os.Args[0], "run", "--config", file)
	p.Env = append(os.Environ(), asProgram+"=1")
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGTERM) // strace waits for restaple
		_ = p.Wait()
	})
	defer stop()
	until(t, "four full looks", func() bool {
		if !exists(x.path)() {
			return false
		}
		looks, _ := x.sinceRead(t)
		return looks >= 4
	})
	stop()
	// The first of them may have been under way when the last file was read,
	// and the last may have been cut short.
	looks, at := x.sinceRead(t)
	if len(at) != 2*n {
		t.Errorf("%d files were looked at, want %d certificates and their staples", len(at), n)
	}
	for name, got := range at {
		if got < looks-1 || got > looks+1 {
			t.Errorf("%s: %d stats in %d looks, want one each", name, got, looks)
		}
	}
}
