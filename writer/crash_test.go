package writer

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain turns the test binary into the process that a test kills or watches.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RESTAPLE_TEST_WRITE"); dir != "" {
		writeForEver(dir)
	}
	if dir := os.Getenv("RESTAPLE_TEST_COMMIT"); dir != "" {
		n, _ := strconv.Atoi(os.Getenv("RESTAPLE_TEST_FILES"))
		if err := commitOnce(dir, n, os.Getenv("RESTAPLE_TEST_SPREAD") == "true"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	crashFiles = 50
	crashSize  = 6_000 // more than a page
)

// writeForEver replaces the files in dir, in small and in large batches.
func writeForEver(dir string) {
	for round := 0; ; round++ {
		n := crashFiles
		if round%2 == 0 {
			n = 3
		}
		jobs := make([]Job, n)
		for i := range jobs {
			jobs[i] = Job{
				Path:    filepath.Join(dir, fmt.Sprint(i)),
				Data:    signed(fmt.Sprintf("%d in round %d of %d ", i, round, os.Getpid())),
				Options: whoever,
				Done: func(changed bool, err error) {
					if !changed || err != nil {
						fmt.Fprintln(os.Stderr, changed, err)
						os.Exit(1)
					}
				},
			}
		}
		CommitAll(jobs, CommitOptions{})
	}
}

// signed returns content that shows whether it is whole.
func signed(text string) []byte {
	content := bytes.Repeat([]byte(text), crashSize/len(text))
	sum := sha256.Sum256(content)
	return append(sum[:], content...)
}

func whole(content []byte) bool {
	if len(content) < sha256.Size {
		return false
	}
	sum := sha256.Sum256(content[sha256.Size:])
	return bytes.Equal(sum[:], content[:sha256.Size])
}

// readAll reads the files in dir and reports how many it found whole.
func readAll(t *testing.T, dir string) int {
	t.Helper()
	found := 0
	for i := range crashFiles {
		content, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
		if os.IsNotExist(err) {
			continue // not written before the first kill
		}
		if err != nil || !whole(content) {
			t.Errorf("file %d is torn: %d bytes (%v)", i, len(content), err)
			continue
		}
		found++
	}
	return found
}

func TestNoFileIsTornWhenTheProcessIsKilled(t *testing.T) {
	dir := t.TempDir()
	leftovers := 0
	// More if each of them came between two batches.
	for kill := 0; kill < 15 || leftovers == 0 && kill < 150; kill++ {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "RESTAPLE_TEST_WRITE="+dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The first one gets everything done; the others are killed while
		// they write a small batch or a large one, or shortly after that.
		for deadline := time.Now().Add(time.Minute); ; {
			if time.Now().After(deadline) {
				t.Fatal("the writer does not write")
			}
			found, writing := readAll(t, dir), len(temps(t, dir))
			if found == crashFiles && writing > kill%3*8 {
				break
			}
		}
		for range kill % 4 {
			readAll(t, dir)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("got %v, want it to be killed", err)
		}
		leftovers += len(temps(t, dir))
		readAll(t, dir)
		if err := Sweep(dir); err != nil {
			t.Fatal(err)
		}
		if left := temps(t, dir); left != nil {
			t.Errorf("left after the sweep: %v", left)
		}
	}
	if leftovers == 0 {
		t.Error("no kill left anything behind: the test has not hit the writing")
	}
	if got := readAll(t, dir); got != crashFiles {
		t.Errorf("got %d files, want %d", got, crashFiles)
	}
}

func TestAReaderNeverSeesATornFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ocsp")
	if _, err := Replace(path, signed("first "), whoever); err != nil {
		t.Fatal(err)
	}
	// The reader has to get its turn on a busy machine, too.
	const enough = 10
	var seen atomic.Int32
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		different := make(map[string]bool)
		defer close(ended)
		for {
			content, err := os.ReadFile(path)
			if err != nil || !whole(content) {
				t.Errorf("torn: %d bytes (%v)", len(content), err)
				return
			}
			different[string(content[:sha256.Size])] = true
			seen.Store(int32(len(different)))
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	deadline := time.Now().Add(time.Minute)
	for i := 0; i < 100 || seen.Load() < enough && !t.Failed() && time.Now().Before(deadline); i++ {
		if _, err := Replace(path, signed(fmt.Sprintf("staple %d ", i)), whoever); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	<-ended
	if got := seen.Load(); got < enough {
		t.Errorf("the reader saw %d versions: too few to prove anything", got)
	}
}
