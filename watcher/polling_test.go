package watcher

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limited runs a test again in namespaces of its own, where it may limit
// inotify, and mount, without taking anything from others.
func limited(t *testing.T) (inside bool) {
	t.Helper()
	if os.Getenv("RESTAPLE_TEST_INSIDE") == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "RESTAPLE_TEST_INSIDE="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil && bytes.Contains(out, []byte("--- PASS")):
		t.Logf("%s", out)
	case bytes.Contains(out, []byte("--- FAIL")) || bytes.Contains(out, []byte("panic:")):
		t.Errorf("in a user namespace: %v\n%s", err, out)
	case slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "userns"):
		t.Fatalf("needs a user namespace: %v\n%s", err, out)
	default:
		t.Skipf("needs a user namespace: %v\n%s", err, out)
	}
	return false
}

func limit(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/user/"+name, []byte(value), 0o644); err != nil {
		t.Skipf("limit inotify: %v", err)
	}
}

func TestPollingWhenInotifyIsRefused(t *testing.T) {
	if !limited(t) {
		return
	}
	limit(t, "max_inotify_instances", "0")
	dir := t.TempDir()
	w := newWatcher(t, Options{Sources: []Source{{Path: dir}}, PollInterval: 10 * time.Millisecond})
	w.Scan(t.Context())
	changes := make(chan Change)
	r := &receiver{t: t, w: w, changes: changes}
	go w.Run(t.Context(), changes)
	r.all()
	polling, reason := w.Polling()
	if !polling || !strings.Contains(reason, "max_user_instances") {
		t.Fatalf("got %v, %q: want polling, and advice", polling, reason)
	}
	write(t, dir+"/x.pem", "x")
	r.look(dir + "/x.pem")

	limit(t, "max_inotify_instances", "10") // somebody let go of theirs
	r.untilWatching()
}

func TestPollingWhenWatchesAreExhausted(t *testing.T) {
	if !limited(t) {
		return
	}
	limit(t, "max_inotify_watches", "3")
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		write(t, filepath.Join(dir, name, "x.pem"), "x")
	}
	r := start(t, Options{Sources: []Source{{Path: dir, Recursive: true}}, PollInterval: 10 * time.Millisecond})
	r.all()
	polling, reason := r.w.Polling()
	if !polling || !strings.Contains(reason, "max_user_watches") {
		t.Fatalf("got %v, %q: want polling, and advice", polling, reason)
	}
	for _, name := range []string{"a", "b", "c", "d", "e"} { // watched or not
		path := filepath.Join(dir, name, "y.pem")
		write(t, path, "x")
		r.look(path)
	}
	limit(t, "max_inotify_watches", "100")
	r.untilWatching()
}

// untilWatching goes on receiving, since polling ends after a Scan.
func (r *receiver) untilWatching() {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		if polling, _ := r.w.Polling(); !polling {
			return
		}
		select {
		case c := <-r.changes:
			if c.All {
				r.w.Scan(r.t.Context())
			}
		case <-time.After(10 * time.Millisecond): // Run takes a moment to try again
		case <-deadline:
			r.t.Fatal("is polling although it could watch")
		}
	}
}

// The kernel has one watch for a directory, whatever the names it has.
func TestABindMountIsTheSameDirectory(t *testing.T) {
	if !limited(t) {
		return
	}
	dir := t.TempDir()
	write(t, dir+"/a/x.pem", "x")
	if err := os.Mkdir(dir+"/b", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(dir+"/a", dir+"/b", "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mount: %v", err)
	}
	defer unix.Unmount(dir+"/b", unix.MNT_DETACH)
	r := start(t, Options{Sources: []Source{{Path: dir + "/a"}, {Path: dir + "/b"}}})
	for range 2 {
		replace(t, dir+"/a/x.pem", "y")
		if !slices.Contains(r.path(dir+"/a/x.pem"), dir+"/b/x.pem") {
			r.path(dir + "/b/x.pem")
		}
	}
}
