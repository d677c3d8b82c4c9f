package writer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func wantErrno(t *testing.T, err error, want syscall.Errno, doing string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), ": "+doing+": ") {
		t.Errorf("got %v, want %q while trying to %s", err, want, doing)
	}
}

func TestReplaceSaysWhichFileAndWhy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "a.ocsp")
	_, err := Replace(path, nil, whoever)
	if got, want := fmt.Sprint(err), "replace "+path+": open directory: no such file or directory"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReplaceInAReadOnlyFileSystem(t *testing.T) {
	dir := needMount(t, "1m")
	path := filepath.Join(dir, "a.ocsp")
	put(t, path, "old")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := Replace(path, []byte("new"), whoever)
	wantErrno(t, err, syscall.EROFS, "create temporary file")
	_, err = Remove(path)
	wantErrno(t, err, syscall.EROFS, "remove")
	if changed, err := Replace(path, []byte("old"), whoever); changed || err != nil {
		t.Errorf("same bytes: got changed %v, error %v, want neither", changed, err)
	}
	wantContent(t, path, "old")
}

func TestReplaceWithoutPermission(t *testing.T) {
	dir := publicDir(t, 0o755)
	path := filepath.Join(dir, "a.ocsp")
	put(t, path, "old")
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	unprivileged(t, func() {
		_, err := Replace(path, []byte("new"), whoever)
		wantErrno(t, err, syscall.EACCES, "create temporary file")
		_, err = Remove(path)
		wantErrno(t, err, syscall.EACCES, "remove")
	})
	wantContent(t, path, "old")
}

// A full disk stops the files that do not fit, and only those: the others of
// the batch, on this file system and elsewhere, are written.
func TestAFullDiskStopsNobodyElse(t *testing.T) {
	for _, single := range []bool{true, false} {
		t.Run(fmt.Sprintf("synced one by one %v", single), func(t *testing.T) {
			small, roomy := needMount(t, "64k"), t.TempDir()
			big := bytes.Repeat([]byte("x"), 128<<10)
			put(t, filepath.Join(small, "big"), "old")
			jobs := []Job{
				{Path: filepath.Join(small, "big"), Data: big, Options: whoever},
				{Path: filepath.Join(small, "fits"), Data: []byte("new"), Options: whoever},
			}
			for i := range 40 {
				if single && i > 2 {
					break
				}
				jobs = append(jobs, Job{Path: filepath.Join(roomy, fmt.Sprint(i)), Data: big, Options: whoever})
			}
			for i := range jobs {
				jobs[i].Done = func(changed bool, err error) {
					if i == 0 {
						wantErrno(t, err, syscall.ENOSPC, "write")
					} else if err != nil {
						t.Error(err)
					}
					if changed != (i != 0) {
						t.Errorf("%s: got changed %v", jobs[i].Path, changed)
					}
				}
			}
			CommitAll(jobs, CommitOptions{})
			wantContent(t, jobs[0].Path, "old")
			wantContent(t, jobs[1].Path, "new")
			wantContent(t, jobs[2].Path, string(big))
			if left := temps(t, small); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestManyDirectoriesDoNotExhaustTheDescriptors(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = 64
	jobs := group(t, t.TempDir(), 200, true)
	done := 0
	for i := range jobs {
		jobs[i].Done = func(changed bool, err error) {
			if done++; !changed || err != nil {
				t.Errorf("%s: changed %v, %v", jobs[i].Path, changed, err)
			}
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	CommitAll(jobs, CommitOptions{})
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if done != len(jobs) {
		t.Errorf("%d of %d jobs were done", done, len(jobs))
	}
}
