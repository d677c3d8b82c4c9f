package watcher

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Stamp tells versions of a file apart without reading it. Stamps can be
// compared with ==. The zero Stamp is that of a missing file.
type Stamp struct {
	id           identity
	size         int64
	mtime, ctime int64 // nanoseconds since 1970
}

// SameFile reports whether both are stamps of one file, perhaps at different
// times or by different names. A missing file is the same as none.
func (s Stamp) SameFile(o Stamp) bool { return s != Stamp{} && s.id == o.id }

// identity tells files apart, whatever their names.
type identity struct{ dev, ino uint64 }

// ModTime returns when the file was last written.
func (s Stamp) ModTime() time.Time { return time.Unix(0, s.mtime) }

// StampOf returns the stamp of the file at path; a symbolic link is followed.
// That the file is missing is no error.
func StampOf(path string) (Stamp, error) {
	stat, err := statOf(path)
	if isMissing(err) {
		return Stamp{}, nil
	}
	if err != nil {
		return Stamp{}, fmt.Errorf("stat %s: %w", path, err)
	}
	return stampOf(&stat), nil
}

func stampOf(stat *unix.Stat_t) Stamp {
	return Stamp{id: identityOf(stat), size: stat.Size, mtime: stat.Mtim.Nano(), ctime: stat.Ctim.Nano()}
}

func identityOf(stat *unix.Stat_t) identity {
	return identity{dev: uint64(stat.Dev), ino: stat.Ino}
}

// statOf is os.Stat without its allocations, which count at a hundred thousand
// files a scan.
func statOf(path string) (stat unix.Stat_t, err error) { return statAt(unix.AT_FDCWD, path) }

// statAt is statOf of a name in an open directory: the way there is not walked
// again, which is half of what a stat costs.
func statAt(dir int, name string) (stat unix.Stat_t, err error) {
	for {
		err = unix.Fstatat(dir, name, &stat, 0)
		if !errors.Is(err, unix.EINTR) {
			return stat, err
		}
	}
}

func isRegular(stat *unix.Stat_t) bool { return stat.Mode&unix.S_IFMT == unix.S_IFREG }
func isDir(stat *unix.Stat_t) bool     { return stat.Mode&unix.S_IFMT == unix.S_IFDIR }

// isMissing counts a file where a directory should be as missing too.
func isMissing(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}
