package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDemoShowsEveryStep gives the demo as a user does, and runs the line that
// it prints while it is held open.
func TestDemoShowsEveryStep(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	start := time.Now()
	code, out, stderr := runDemoCommand(ctx, func(line string) {
		if strings.HasPrefix(line, "  openssl ") {
			shownByOpenSSL(t, line)
			interrupt()
		}
	}, "--keep")
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v, want less than a minute", took)
	}
	if code != exitOK || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	fromFound := []string{"chain found", "response fetched", "verified", "file placed", "hook told", "handshake made"}
	fromFetched := fromFound[1:]
	want := [][]string{
		{"PKI made", "responder up", "TLS server up", "handshake made", "handshake made", "handshake made"},
		slices.Concat(fromFound, fromFound, fromFound),
		{"CA revokes it", "response fetched", "verified", "staple withdrawn", "hook told", "handshake made"},
		{
			"CA forgets", "told to ask now",
			"response fetched", "verified", "no new staple", "handshake made",
			"response fetched", "verified", "no new staple", "handshake made",
		},
		slices.Concat([]string{"CA says good", "told to ask now"}, fromFetched, fromFetched),
		slices.Concat([]string{"responder down", "no new staple", "handshake made", "responder back"}, fromFetched),
		slices.Concat([]string{"renewed"}, fromFound, []string{"no mismatch"}),
	}
	if got := demoSteps(out); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("steps:\ngot  %q\nwant %q\n%s", got, want, out)
	}
	for _, want := range []string{
		"Every step held", "which say revoked", "which say unknown", "on_revoked: withdraw", "on_unknown: keep",
		"must-staple)", "(RSA)", "delegated", "openssl s_client -connect 127.0.0.1:", " -status",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output", want)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("escape codes in what is no terminal")
	}
	checkDemoGone(t, out)
	if t.Failed() {
		t.Logf("%s%s", out, stderr)
	}
}

func TestDemoIsHeldOpenUntilInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := &lockedBuffer{watch: func(line string) {
		if strings.HasPrefix(line, "  restaple status ") {
			time.AfterFunc(100*time.Millisecond, interrupt)
		}
	}}
	d, err := newDemo(ctx, &narrator{w: out, start: time.Now()}, demoOptions{patience: demoPatience, keep: true})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := d.hold(ctx); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
	if held := time.Since(start); held < 100*time.Millisecond {
		t.Errorf("held open for %v only", held)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"until Ctrl-C", "\n  openssl s_client -connect 127.0.0.1:", " -status"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
	checkDemoGone(t, out.String())
}

func TestDemoThatEndsByItselfIsNotHeldOpen(t *testing.T) {
	t.Parallel()
	out := new(lockedBuffer)
	d, err := newDemo(t.Context(), &narrator{w: out, start: time.Now()}, demoOptions{patience: demoPatience})
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("no way to listen any more")
	d.start("responder", func(context.Context) error { return gone })
	if err := d.hold(t.Context()); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

func TestDemoIsGoneWhenItsReaderIs(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	cmd := exec.Command(os.Args[0], "demo")
	cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestDemoSaysWhichStepDidNotHold has somebody get in the way of a step.
func TestDemoSaysWhichStepDidNotHold(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, at, step string
		harm           func(certs string) error
	}{
		{"a certificate is gone", "TLS server up", "chain found", func(certs string) error {
			return os.Remove(certs + "/must-staple.demo.test.pem")
		}},
		{"a directory lies where a staple goes", "2. ", "file placed", func(certs string) error {
			return os.Mkdir(certs+"/ecdsa.demo.test.pem.ocsp", 0o755)
		}},
		{"another certificate is in the file", "2. ", "chain found", func(certs string) error {
			return os.Rename(certs+"/must-staple.demo.test.pem", certs+"/rsa.demo.test.pem")
		}},
		{"the server finds no key", "2. ", "hook told", func(certs string) error {
			bundle, err := os.ReadFile(certs + "/rsa.demo.test.pem")
			chain, _, _ := bytes.Cut(bundle, []byte("-----BEGIN PRIVATE KEY"))
			return errors.Join(err, os.WriteFile(certs+"/rsa.demo.test.pem", chain, 0o600))
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			want := "restaple: demo: step \"" + row.step + "\" did not hold\n"
			var code int
			var out, stderr string
			for _, patience := range []string{"3s", "10s", "30s"} { // a busy machine may be slow with another step
				certs := ""
				code, out, stderr = runDemoCommand(t.Context(), func(line string) {
					if found := demoDir.FindString(line); certs == "" && found != "" {
						certs = filepath.Join(found, "certs")
					}
					if strings.Contains(line, row.at) {
						if err := row.harm(certs); err != nil {
							t.Error(err)
						}
					}
				}, "--patience", patience)
				if stderr == want {
					break
				}
			}
			if code != exitNotOK {
				t.Errorf("exit code %d, want 1", code)
			}
			if stderr != want {
				t.Errorf("standard error: got %q, want %q", stderr, want)
			}
			report := regexp.MustCompile(`\n +[0-9.]+ s  ` + row.step + ` +DID NOT HOLD\n +expected: .+\n +seen: +.+\n$`)
			if !report.MatchString(out) {
				t.Errorf("the end does not say what was expected and seen:\n%s", out)
			}
			checkDemoGone(t, out)
		})
	}
}

func TestDemoInterruptedHasNotShownAll(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	code, out, stderr := runDemoCommand(ctx, func(line string) {
		if strings.HasPrefix(line, "3. ") {
			interrupt()
		}
	}, "--verbose")
	if code != exitNotOK || !strings.HasSuffix(stderr, "\nrestaple: demo: interrupted before its end\n") {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	for _, want := range []string{`msg="certificate found"`, `msg="staple placed" cert=`, "hook=reload"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in the log:\n%s", want, stderr)
		}
	}
	checkDemoGone(t, out)
}

// shownByOpenSSL runs the line that the demo prints, while it waits.
func shownByOpenSSL(t *testing.T, line string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "openssl") {
			t.Error("openssl is not installed, and RESTAPLE_TEST_REQUIRE names it")
		}
		t.Log("openssl is not installed: the line that the demo prints for it is not tried")
		return
	}
	got, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	for _, want := range []string{"OCSP Response Status: successful", "Cert Status: good", "Verify return code: 0 (ok)"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("openssl did not print %q:\n%s", want, got)
		}
	}
}

// runDemoCommand runs `restaple demo` and shows each line to watch before the
// demo goes on.
func runDemoCommand(ctx context.Context, watch func(line string), args ...string) (code int, stdout, stderr string) {
	var out, log lockedBuffer
	out.watch = watch
	code = execute(ctx, append([]string{"demo"}, args...), &out, &log)
	return code, out.String(), log.String()
}

// lockedBuffer is written by several goroutines, line by line.
type lockedBuffer struct {
	mu    sync.Mutex
	text  bytes.Buffer
	watch func(line string)
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	b.text.Write(p)
	b.mu.Unlock()
	if b.watch != nil {
		b.watch(string(p))
	}
	return len(p), nil
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// demoSteps returns the steps of each chapter.
func demoSteps(out string) [][]string {
	chapter := regexp.MustCompile(`^[0-9]+\. `)
	step := regexp.MustCompile(`^ +[0-9]+\.[0-9]{3} s  (.{17})  .`)
	var steps [][]string
	for line := range strings.Lines(out) {
		if chapter.MatchString(line) {
			steps = append(steps, nil)
		} else if m := step.FindStringSubmatch(line); m != nil && steps != nil {
			steps[len(steps)-1] = append(steps[len(steps)-1], strings.TrimRight(m[1], " "))
		}
	}
	return steps
}

var demoDir = regexp.MustCompile(`/[^ ,]*/restaple-demo-[0-9]+`)

func checkDemoGone(t *testing.T, out string) {
	t.Helper()
	dir := demoDir.FindString(out)
	if dir == "" {
		t.Fatalf("no directory is named:\n%s", out)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was left behind: %v", dir, err)
	}
}
