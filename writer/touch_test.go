package writer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTouchChangesOnlyTheTime(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "site.pem.ocsp"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := Touch(link); err != nil {
		t.Error(err)
	}
	if now, err := os.Stat(file); err != nil || !now.ModTime().Equal(before.ModTime()) {
		t.Errorf("the target of a link: %v, %v, want it left alone", now, err)
	}
	if err := Touch(file); err != nil {
		t.Error(err)
	}
	now, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if now.ModTime().Sub(before.ModTime()) < time.Hour-time.Minute || now.Mode() != before.Mode() || now.Size() != 1 || !os.SameFile(now, before) {
		t.Errorf("got %v, want all but the time of %v", now, before)
	}
	if err := Touch(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
