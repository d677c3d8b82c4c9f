package watcher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStampTellsVersionsApart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "site.pem")
	write(t, path, "one")
	other := filepath.Join(dir, "other.pem")
	write(t, other, "one")
	tests := []struct {
		name   string
		change func() error
		same   bool // as before
	}{
		{"nothing happened", func() error { return nil }, true},
		{"it was read", func() error { _, err := os.ReadFile(path); return err }, true},
		{"longer", func() error { return os.WriteFile(path, []byte("three"), 0o644) }, false},
		{"another time", func() error { return os.Chtimes(path, time.Now(), time.Unix(1, 5)) }, false},
		{"another mode", func() error { return os.Chmod(path, 0o600) }, false},
		{"replaced by an equal file", func() error { return os.Rename(other, path) }, false},
		{"removed", func() error { return os.Remove(path) }, false},
	}
	for _, test := range tests {
		before := stamp(t, path)
		tick(t)
		if err := test.change(); err != nil {
			t.Fatal(err)
		}
		if got := stamp(t, path) == before; got != test.same {
			t.Errorf("%s: same stamp: got %v, want %v", test.name, got, test.same)
		}
	}
	if got := stamp(t, path); got != (Stamp{}) {
		t.Errorf("missing file: got %v, want the zero Stamp", got)
	}
}

// tick waits until a change is made at another time than what was before: the
// clock of file systems goes by milliseconds, before Linux 6.13.
func tick(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clock")
	write(t, path, "x")
	for before := stamp(t, path); stamp(t, path) == before; {
		write(t, path, "x")
	}
}

func stamp(t *testing.T, path string) Stamp {
	t.Helper()
	s, err := StampOf(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStampFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "x")
	write(t, filepath.Join(dir, "b"), "x")
	link(t, "a", filepath.Join(dir, "link"))
	link(t, "nowhere", filepath.Join(dir, "dangling"))
	a, b := stamp(t, filepath.Join(dir, "a")), stamp(t, filepath.Join(dir, "b"))
	through := stamp(t, filepath.Join(dir, "link"))
	if through != a {
		t.Errorf("got %v through the link, want that of the file, %v", through, a)
	}
	if !through.SameFile(a) || a.SameFile(b) {
		t.Error("SameFile does not tell a and b apart")
	}
	none := stamp(t, filepath.Join(dir, "dangling"))
	if none != (Stamp{}) || none.SameFile(none) {
		t.Errorf("got %v for a dangling link, want what a missing file has", none)
	}
}

func TestStampOfReportsOtherErrors(t *testing.T) {
	_, err := StampOf("/" + strings.Repeat("x", 5000))
	if err == nil || !strings.HasPrefix(err.Error(), "stat /xxx") {
		t.Errorf("got %v, want an error that names the path", err)
	}
}
