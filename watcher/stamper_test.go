package watcher

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestStamperSaysWhatStampOfSays(t *testing.T) {
	root := t.TempDir()
	var paths []string
	for _, dir := range []string{"a", "b/deep", "gone", "a"} {
		dir = filepath.Join(root, dir)
		if filepath.Base(dir) != "gone" {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 2 * worthOpening {
			path := filepath.Join(dir, fmt.Sprint(i))
			paths = append(paths, path)
			if i%2 == 0 {
				_ = os.WriteFile(path, []byte(path), 0o644) // not where it is gone
			}
		}
		paths = append(paths, filepath.Join(dir, "0", "below a file"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling"), dir)
		_ = os.Symlink("0", filepath.Join(dir, "link"))
		_ = os.Symlink("nowhere", filepath.Join(dir, "dangling"))
	}
	var s Stamper
	defer s.Close()
	found := 0
	for _, path := range paths {
		want, wantErr := StampOf(path)
		got, err := s.StampOf(path)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: got %v, %v, want %v, %v", path, got, err, want, wantErr)
		}
		if got != (Stamp{}) {
			found++
		}
	}
	if found < 3*worthOpening {
		t.Errorf("%d of %d files found: the test looks at nothing", found, len(paths))
	}
}
