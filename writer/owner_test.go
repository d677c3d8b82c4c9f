package writer

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestModeIsConfiguredOrReadableByAll(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	tests := []struct {
		name   string
		before fs.FileMode // 0: no file
		data   string      // of the file before
		mode   fs.FileMode
		want   fs.FileMode
	}{
		{"new file", 0, "", 0, 0o644},
		{"new file, configured", 0, "", 0o640, 0o640},
		{"replaced", 0o664, "old", 0, 0o664},
		{"replaced, for its owner alone", 0o600, "old", 0, 0o644},
		{"replaced, configured", 0o604, "old", 0o444, 0o444},
		{"same bytes", 0o664, "new", 0, 0o664},
		{"same bytes, for its owner alone", 0o600, "new", 0, 0o644},
		{"same bytes, configured", 0o604, "new", 0o640, 0o640},
		{"more than permissions", 0, "", fs.ModeSetuid | 0o4755, 0o755},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.ocsp")
			if test.before != 0 {
				put(t, path, test.data)
				if err := os.Chmod(path, test.before); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Replace(path, []byte("new"), Options{Mode: test.mode, UID: -1, GID: -1}); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestOwnerIsConfiguredOrKeptOrLikeTheCertificate(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "root", "only root can give files away")
	}
	tests := []struct {
		name      string
		file      int    // owner and group of the file before; 0: no file
		data      string // of the file before
		like      int    // owner and group of the certificate; 0: none named
		uid, gid  int
		wantUID   int
		wantGroup int
	}{
		{name: "new file", uid: -1, gid: -1},
		{name: "new file, like the certificate", like: 1001, uid: -1, gid: -1, wantUID: 1001, wantGroup: 1001},
		{name: "new file, group configured", like: 1001, uid: -1, gid: 1002, wantUID: 1001, wantGroup: 1002},
		{name: "new file, both configured", like: 1001, uid: 1003, gid: 1002, wantUID: 1003, wantGroup: 1002},
		{name: "replaced", file: 1004, data: "old", like: 1001, uid: -1, gid: -1, wantUID: 1004, wantGroup: 1004},
		{name: "replaced, configured", file: 1004, data: "old", uid: 0, gid: 1002, wantUID: 0, wantGroup: 1002},
		{name: "same bytes", file: 1004, data: "new", like: 1001, uid: -1, gid: -1, wantUID: 1004, wantGroup: 1004},
		{name: "same bytes, configured", file: 1004, data: "new", uid: 1003, gid: -1, wantUID: 1003, wantGroup: 1004},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path, o := filepath.Join(dir, "a.ocsp"), Options{UID: test.uid, GID: test.gid}
			give := func(path string, id int) {
				if err := os.Chown(path, id, id); err != nil {
					t.Fatal(err)
				}
			}
			if test.file != 0 {
				put(t, path, test.data)
				give(path, test.file)
			}
			if test.like != 0 {
				o.Like = filepath.Join(dir, "a.pem")
				put(t, o.Like, "certificate")
				give(o.Like, test.like)
			}
			if _, err := Replace(path, []byte("new"), o); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if uid, gid := owner(info); uid != test.wantUID || gid != test.wantGroup {
				t.Errorf("got %d:%d, want %d:%d", uid, gid, test.wantUID, test.wantGroup)
			}
		})
	}
}

func TestWithoutRootTheOwnerMattersOnlyIfConfigured(t *testing.T) {
	dir := publicDir(t, 0o777)
	unprivileged(t, func() {
		o := whoever
		o.Like = "/proc/1" // root's
		if changed, err := Replace(filepath.Join(dir, "a.ocsp"), []byte("new"), o); !changed || err != nil {
			t.Errorf("like root's: got changed %v, error %v", changed, err)
		}
		o.UID = 4711
		_, err := Replace(filepath.Join(dir, "b.ocsp"), []byte("new"), o)
		wantErrno(t, err, syscall.EPERM, "set mode and owner")
	})
	if left := temps(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
}
