package writer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// commitOnce writes n files, each in a directory of its own if spread, for a
// test that watches this process from outside.
func commitOnce(dir string, n int, spread bool) error {
	jobs := make([]Job, n)
	problems := make([]error, n)
	for i := range jobs {
		sub := dir
		if spread {
			sub = filepath.Join(dir, strconv.Itoa(i))
			if err := os.Mkdir(sub, 0o755); err != nil {
				return err
			}
		}
		jobs[i] = Job{
			Path: filepath.Join(sub, fmt.Sprint(i)), Data: []byte("staple"), Options: whoever,
			Done: func(_ bool, err error) { problems[i] = err },
		}
	}
	CommitAll(jobs, CommitOptions{})
	return errors.Join(problems...)
}

func TestLargeBatchesShareTheirSyncs(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		skip(t, "strace", err.Error())
	}
	tests := []struct {
		n      int
		spread bool
		fsync  int // of files and directories
		syncfs int
	}{
		{n: 1, fsync: 2},
		{n: 2, spread: true, fsync: 4},
		{n: maxSingle, fsync: maxSingle + 1},
		{n: maxSingle + 1, fsync: 1, syncfs: 1},
		{n: 200, fsync: 1, syncfs: 1},
		{n: 200, spread: true, syncfs: 2},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d files, spread %v", test.n, test.spread), func(t *testing.T) {
			trace := filepath.Join(t.TempDir(), "trace")
			cmd := exec.Command(strace, "-f", "-e", "trace=fsync,fdatasync,syncfs,sync", "-o", trace, os.Args[0])
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "RESTAPLE_TEST_COMMIT="+t.TempDir(),
				"RESTAPLE_TEST_FILES="+strconv.Itoa(test.n), "RESTAPLE_TEST_SPREAD="+strconv.FormatBool(test.spread))
			if output, err := cmd.CombinedOutput(); err != nil {
				if strings.Contains(string(output), "ptrace") || strings.Contains(string(output), "PTRACE") {
					skip(t, "strace", string(output))
				}
				t.Fatalf("%v: %s", err, output)
			}
			calls, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			for call, want := range map[string]int{
				" fsync(": test.fsync, " syncfs(": test.syncfs, " fdatasync(": 0, " sync(": 0,
			} {
				if got := strings.Count(string(calls), call); got != want {
					t.Errorf("got %d of %s), want %d", got, strings.TrimSpace(call), want)
				}
			}
		})
	}
}
