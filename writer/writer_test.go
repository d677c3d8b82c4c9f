package writer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReplaceMakesTheFileContainTheData(t *testing.T) {
	const data = "new staple"
	tests := []struct {
		name   string
		before func(t *testing.T, path string)
		want   bool // changed
	}{
		{"no file", func(t *testing.T, path string) {}, true},
		{"another content", func(t *testing.T, path string) { put(t, path, "old") }, true},
		{"another content of the same length", func(t *testing.T, path string) { put(t, path, "old staple") }, true},
		{"empty file", func(t *testing.T, path string) { put(t, path, "") }, true},
		{"same content", func(t *testing.T, path string) { put(t, path, data) }, false},
		{"same content in an unreadable file", func(t *testing.T, path string) {
			put(t, path, data)
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
		}, os.Geteuid() != 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.ocsp")
			test.before(t, path)
			changed, err := Replace(path, []byte(data), Options{Mode: 0o644, UID: -1, GID: -1})
			if err != nil || changed != test.want {
				t.Errorf("got changed %v, error %v, want %v", changed, err, test.want)
			}
			wantContent(t, path, data)
			if left := temps(t, filepath.Dir(path)); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestReplaceLeavesAnEqualFileAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ocsp")
	put(t, path, "staple")
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	if _, err := Replace(path, []byte("staple"), whoever); err != nil {
		t.Fatal(err)
	}
	after, _ := os.Stat(path)
	if !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Error("the file was written")
	}
}

// lighttpd and hitch look at a staple only if its mtime is newer.
func TestReplaceStampsTheFileWithNow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ocsp")
	start := time.Now().Add(-time.Second)
	if _, err := Replace(path, []byte("staple"), whoever); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.ModTime().Before(start) {
		t.Errorf("got %v (%v), want after %v", info.ModTime(), err, start)
	}
}

func TestReplaceDoesNotFollowASymlink(t *testing.T) {
	for _, target := range []string{"exists", "is missing"} {
		t.Run("whose target "+target, func(t *testing.T) {
			dir := t.TempDir()
			victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "a.ocsp")
			if target == "exists" {
				// Not even to find that the content is the same.
				put(t, victim, "staple")
			}
			if err := os.Symlink(victim, path); err != nil {
				t.Fatal(err)
			}
			changed, err := Replace(path, []byte("staple"), Options{Mode: 0o600, UID: -1, GID: -1})
			if !changed || err != nil {
				t.Errorf("got changed %v, error %v", changed, err)
			}
			wantContent(t, path, "staple")
			info, err := os.Lstat(victim)
			if target == "exists" && (err != nil || info.Mode().Perm() != 0o644) {
				t.Errorf("victim: got %v (%v)", info.Mode(), err)
			}
			if target == "is missing" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("victim: got %v, want none", err)
			}
		})
	}
}

func TestReplaceRefusesWhatIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ocsp")
	for kind, make := range map[string]func() error{
		"directory": func() error { return os.Mkdir(path, 0o755) },
		"pipe":      func() error { return syscall.Mkfifo(path, 0o644) },
	} {
		t.Run(kind, func(t *testing.T) {
			if err := make(); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path)
			for _, remove := range []bool{false, true} {
				changed, err := one(Job{Path: path, Data: []byte("staple"), Remove: remove, Options: whoever})
				if changed || err == nil || !strings.Contains(err.Error(), path+": look: not a regular file") {
					t.Errorf("remove %v: got changed %v, error %v", remove, changed, err)
				}
			}
			if info, err := os.Lstat(path); err != nil || info.Mode().IsRegular() {
				t.Errorf("the %s is gone", kind)
			}
		})
	}
}

func TestRemoveTakesTheFileAway(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), "staple")
	put(t, filepath.Join(dir, "target"), "other")
	if err := os.Symlink("target", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		want bool
	}{
		{"file", true},
		{"link", true},
		{"missing", false},
		{"missing/in/a/missing/directory", false},
		{"target/that/is/no/directory", false},
	} {
		path := filepath.Join(dir, test.name)
		if changed, err := Remove(path); changed != test.want || err != nil {
			t.Errorf("%s: got changed %v, error %v, want %v", test.name, changed, err, test.want)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", test.name)
		}
	}
	wantContent(t, filepath.Join(dir, "target"), "other")
}
