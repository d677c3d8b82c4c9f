package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func newCommand(t *testing.T, o CommandOptions) *command {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet
	}
	a, err := NewCommand(o)
	if err != nil {
		t.Fatal(err)
	}
	return a.(*command)
}

// shell returns a command that runs a script with the given parameters.
func shell(script string, parameters ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "sh"}, parameters...)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestACommandSeesWhatChanged(t *testing.T) {
	dir := t.TempDir()
	this := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	changes := []Change{
		{
			Event: Placed, Name: "b.example", Cert: "/tls/b.pem", Staple: "/tls/b.pem.ocsp", Serial: "0A1B",
			Status: "good", ThisUpdate: this, NextUpdate: this.Add(time.Hour),
		},
		{Event: Withdrawn, Name: "a.example", Cert: "/tls/a b.pem", Staple: "/tls/a b.pem.ocsp", Serial: "01", Reason: "expired"},
		{Event: Placed, Name: "b.example", Cert: "/tls/b.pem", Staple: "/run/b.ocsp", Serial: "0A1B"},
	}
	c := newCommand(t, CommandOptions{
		Name: "reload",
		Args: shell(`cat >"$1/input"; env >"$1/env"`, dir),
		Env:  []string{"OWN=yes"},
	})
	if err := c.Deliver(t.Context(), changes); err != nil {
		t.Fatal(err)
	}

	want := `[{"event":"placed","name":"b.example","cert":"/tls/b.pem","staple":"/tls/b.pem.ocsp","serial":"0A1B",` +
		`"status":"good","this_update":"2026-11-01T12:00:00Z","next_update":"2026-11-01T13:00:00Z"},` +
		`{"event":"withdrawn","name":"a.example","cert":"/tls/a b.pem","staple":"/tls/a b.pem.ocsp","serial":"01","reason":"expired"},` +
		`{"event":"placed","name":"b.example","cert":"/tls/b.pem","staple":"/run/b.ocsp","serial":"0A1B"}]`
	if got := readFile(t, filepath.Join(dir, "input")); got != want {
		t.Errorf("input:\ngot  %s\nwant %s", got, want)
	}
	env := "\n" + readFile(t, filepath.Join(dir, "env"))
	for _, want := range []string{
		"\nRESTAPLE_HOOK=reload\n",
		"\nRESTAPLE_EVENTS=placed withdrawn\n",
		"\nRESTAPLE_CHANGED=3\n",
		"\nRESTAPLE_CERTS=/tls/a b.pem\n/tls/b.pem\n",
		"\nRESTAPLE_STAPLES=/run/b.ocsp\n/tls/a b.pem.ocsp\n/tls/b.pem.ocsp\n",
		"\nRESTAPLE_TRUNCATED=\n",
		"\nOWN=yes\n",
		"\nPATH=" + os.Getenv("PATH") + "\n",
	} {
		if !strings.Contains(env, want) {
			t.Errorf("environment: got %s\nwant %s", env, want)
		}
	}
}

func TestACommandGetsAnEmptyArrayWhenTheDetailsAreLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "input")
	c := newCommand(t, CommandOptions{Args: shell(`cat >"$1"; test "$RESTAPLE_CHANGED" = 0`, path)})
	if err := c.Deliver(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, path); got != "[]" {
		t.Errorf("got %q", got)
	}
}

// More than a pipe and more than the environment can hold.
func TestACommandNeedNotReadItsInput(t *testing.T) {
	var changes []Change
	for i := range 20_000 {
		changes = append(changes, placed(fmt.Sprintf("/etc/haproxy/certs/%060d.ocsp", i))...)
	}
	c := newCommand(t, CommandOptions{Args: shell(`test "$RESTAPLE_TRUNCATED" = 1`)})
	if err := c.Deliver(t.Context(), changes); err != nil {
		t.Errorf("not read: %v", err)
	}
	path := filepath.Join(t.TempDir(), "input")
	c = newCommand(t, CommandOptions{Args: shell(`cat >"$1"`, path)})
	if err := c.Deliver(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	var got []Change
	if err := json.Unmarshal([]byte(readFile(t, path)), &got); err != nil || !slices.Equal(got, changes) {
		t.Errorf("read: got %d changes (%v), want %d", len(got), err, len(changes))
	}
}

func TestListsInTheEnvironmentAreBoundedByWholeLines(t *testing.T) {
	long := strings.Repeat("x", 1000)
	var paths []string
	for i := range 100 {
		paths = append(paths, fmt.Sprintf("/%03d%s", i, long))
	}
	got, cut := list(paths)
	lines := strings.Split(got, "\n")
	if !cut || len(got) > maxList || len(lines) != maxList/1005 {
		t.Errorf("got %d lines in %d octets, cut %v", len(lines), len(got), cut)
	}
	if last := lines[len(lines)-1]; !slices.Contains(paths, last) {
		t.Errorf("the last line is not whole: %d octets", len(last))
	}
}

func TestAFailingCommandSaysWhatItSaid(t *testing.T) {
	tests := []struct {
		name   string
		script string
		want   string
	}{
		{"nothing", `exit 3`, "/bin/sh: exit status 3"},
		{"both outputs, several lines", `echo one; echo " two " >&2; printf '\n\nthree'; exit 1`, "/bin/sh: exit status 1: one; two; three"},
		{"signs that would upset a terminal", `printf 'a\033[31mb\377\r\n'; exit 1`, "/bin/sh: exit status 1: a [31mb\uFFFD"},
		{"killed", `kill -9 $$`, "/bin/sh: signal: killed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := newCommand(t, CommandOptions{Args: shell(test.script)}).Deliver(t.Context(), nil)
			if got := fmt.Sprint(err); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
	err := newCommand(t, CommandOptions{Args: []string{"no-such-program"}}).Deliver(t.Context(), nil)
	if got := fmt.Sprint(err); !strings.Contains(got, `"no-such-program": executable file not found`) {
		t.Errorf("got %q", got)
	}
}

func TestOnlyTheEndOfALongOutputIsKept(t *testing.T) {
	err := newCommand(t, CommandOptions{
		Args: shell(`i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; echo the reason; exit 1`),
	}).Deliver(t.Context(), nil)
	got := fmt.Sprint(err)
	if !strings.HasSuffix(got, "; line 2999; the reason") || len(got) > 2*maxOutput {
		t.Errorf("got %d octets: …%s", len(got), got[max(0, len(got)-60):])
	}
	if strings.Contains(got, ": ine ") || strings.Contains(got, "line 0;") {
		t.Errorf("got %.80s…", got)
	}
}

func TestTheOutputOfASuccessIsForDebugging(t *testing.T) {
	var log strings.Builder
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
	c := newCommand(t, CommandOptions{Args: shell(`echo all is well`), Log: slog.New(handler)})
	if err := c.Deliver(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, `output="all is well"`) {
		t.Errorf("got %s", got)
	}
}

func TestNothingIsRunIfTheCheckFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ran")
	c := newCommand(t, CommandOptions{
		Check: shell(`echo 'unknown directive "stapel"'; exit 1`),
		Args:  shell(`touch "$1"`, path),
	})
	err := c.Deliver(t.Context(), nil)
	want := `check, so the command was not run: /bin/sh: exit status 1: unknown directive "stapel"`
	if got := fmt.Sprint(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the command was run")
	}
	c.options.Check = shell(`exit 0`)
	if err := c.Deliver(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the command was not run after a good check")
	}
}

// alive reports whether the process runs; a zombie does not.
func alive(pid int) bool {
	_, err := parent(pid)
	return err == nil
}

func TestAHangingCommandGoesWithAllItsChildren(t *testing.T) {
	const grandchild = `sh -c 'trap "" TERM; echo $$ >>"$0"; while :; do sleep 0.01; done' "$1"`
	tests := []struct {
		name   string
		script string
	}{
		{"heeds SIGTERM", `echo $$ >>"$1"; echo ready; while :; do sleep 0.01; done`},
		{"ignores SIGTERM", `trap "" TERM; echo $$ >>"$1"; while :; do sleep 0.01; done`},
		{"leaves a stubborn child that holds the output", `echo $$ >>"$1"; ` + grandchild + ` & wait`},
		{"leaves a stubborn child that does not", `echo $$ >>"$1"; ` + grandchild + ` >/dev/null 2>&1 </dev/null & wait`},
		{"both are stubborn", `trap "" TERM; echo $$ >>"$1"; ` + grandchild},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "pids")
			c := newCommand(t, CommandOptions{Args: shell(test.script, path)})
			c.killDelay = 200 * time.Millisecond
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			ended := make(chan error, 1)
			go func() { ended <- c.Deliver(ctx, nil) }()
			pids := started(t, path, strings.Count(test.script, "$$"))
			cancel(errors.New("too long"))
			select {
			case err := <-ended:
				if err == nil || !strings.HasPrefix(err.Error(), "/bin/sh: too long") {
					t.Errorf("got %v", err)
				}
			case <-time.After(patience):
				t.Errorf("it has not ended after %v", patience)
			}
			for _, word := range pids {
				pid, err := strconv.Atoi(word)
				if err != nil {
					t.Fatal(err)
				}
				// A process that was killed takes a moment to go.
				for deadline := time.Now().Add(patience); alive(pid); time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Errorf("process %d is still there", pid)
						syscall.Kill(pid, syscall.SIGKILL)
						break
					}
				}
			}
		})
	}
}

// patience is how long a test waits for what other processes do.
const patience = 30 * time.Second

// started waits until a file has this many words, and returns them.
func started(t *testing.T, path string, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		content, err := os.ReadFile(path)
		if words := strings.Fields(string(content)); len(words) == n && strings.HasSuffix(string(content), "\n") {
			return words
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %q (%v), want that %d have started", content, err, n)
		}
	}
}

// The children are asked as well, so that they can put their house in order.
func TestAHangingCommandIsAskedToEndWithItsChildren(t *testing.T) {
	path := filepath.Join(t.TempDir(), "said")
	c := newCommand(t, CommandOptions{Args: shell(
		`sh -c 'trap "echo asked >>\"$0\"; exit" TERM; echo ready >>"$0"; while :; do sleep 0.01; done' "$1" & wait`, path)})
	c.killDelay = patience // the child's answer may take a while
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Deliver(ctx, nil) }()
	started(t, path, 1)
	cancel()
	if err := <-ended; err == nil {
		t.Error("got no error")
	}
	if got := readFile(t, path); got != "ready\nasked\n" {
		t.Errorf("got %q", got)
	}
}

// A hook may start a server. It need not have closed the hook's output.
func TestACommandMayLeaveSomethingInTheBackground(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	c := newCommand(t, CommandOptions{Args: shell(`sleep 60 & echo $! >"$1"`, path)})
	c.killDelay = 100 * time.Millisecond
	if err := c.Deliver(t.Context(), nil); err != nil {
		t.Errorf("got %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(readFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Error("the background process is gone")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestNewCommandNeedsACommand(t *testing.T) {
	for _, args := range [][]string{nil, {}, {""}, {"", "x"}} {
		if _, err := NewCommand(CommandOptions{Args: args, Log: quiet}); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}
