package writer

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// whoever leaves the owner alone.
var whoever = Options{UID: -1, GID: -1}

// skip skips the test for want of something, unless the environment demands
// that it is there.
func skip(t *testing.T, want, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), want) {
		t.Fatalf("%s is required: %s", want, why)
	}
	t.Skipf("no %s: %s", want, why)
}

// needMount returns a directory on a small file system of its own.
func needMount(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		skip(t, "mount", err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// publicDir is a directory that everybody can look into.
func publicDir(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for path, mode := range map[string]fs.FileMode{filepath.Dir(dir): 0o755, dir: mode} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	return dir
}

// unprivileged runs f without root's right to open everything.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread must not serve others
		if os.Geteuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
				return
			}
		}
		f()
	}()
	<-done
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Error(err)
		return
	}
	if !info.Mode().IsRegular() {
		t.Errorf("%s: got %v, want a regular file", path, info.Mode())
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: got %.40q (%v), want %.40q", path, got, err, want)
	}
}

// temps returns the temporary files under dir.
func temps(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if match, _ := filepath.Match(TempPattern, filepath.Base(path)); match {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
