package writer

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestSweepTakesOnlyWhatWriteLeaves(t *testing.T) {
	dir := t.TempDir()
	stay := []string{
		"a.ocsp",
		".restaple-notes",
		".restaple-" + rand.Text() + ".bak",
		"restaple-" + rand.Text(),
		".restaple-abcdefghijklmnopqrstuvwxyz",
	}
	for _, name := range stay {
		put(t, filepath.Join(dir, name), "mine")
	}
	link := ".restaple-" + rand.Text()
	if err := os.Symlink("a.ocsp", filepath.Join(dir, link)); err != nil {
		t.Fatal(err)
	}
	stay = append(stay, link)
	for range 3 {
		put(t, filepath.Join(dir, ".restaple-"+rand.Text()), "half a sta")
	}
	if err := Sweep(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(got)
	slices.Sort(stay)
	if !slices.Equal(got, stay) {
		t.Errorf("got  %v\nwant %v", got, stay)
	}
}

func TestSweepLeavesTheFilesOfALiveWriter(t *testing.T) {
	dir := t.TempDir()
	jobs := group(t, dir, 3, false)
	CommitAll(jobs, CommitOptions{Before: func([]Job) error {
		if err := Sweep(dir); err != nil {
			t.Error(err)
		}
		if got := len(temps(t, dir)); got != 3 {
			t.Errorf("got %d temporary files, want 3", got)
		}
		return nil
	}})
}

func TestSweepOfAMissingDirectoryIsNothing(t *testing.T) {
	if err := Sweep(filepath.Join(t.TempDir(), "missing")); err != nil {
		t.Error(err)
	}
}

func TestWithoutLocksOnlyOldFilesAreSwept(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, ".restaple-"+rand.Text()), filepath.Join(dir, ".restaple-"+rand.Text())
	put(t, old, "")
	put(t, fresh, "")
	long := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	f := openFolder(dir)
	defer f.close()
	if err := f.sweep(false); err != nil {
		t.Fatal(err)
	}
	if got := temps(t, dir); !slices.Equal(got, []string{fresh}) {
		t.Errorf("got %v, want %v", got, fresh)
	}
}
