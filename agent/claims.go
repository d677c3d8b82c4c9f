package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// claims keep two processes from asking about the same leaf at the same time:
// a daemon and the timer that backs it up, say. A claim is a lock on one octet
// of a shared file, chosen by the leaf's fingerprint; the kernel drops it when
// the process ends, however it ends.
type claims struct {
	file *os.File // nil: no state directory, no claims
}

func openClaims(dir string) (*claims, error) {
	if dir == "" {
		return &claims{}, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, "claims"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	return &claims{file: f}, nil
}

// take claims a leaf, or reports that another process has it.
func (c *claims) take(leaf [32]byte) (release func(), ok bool) {
	if c.file == nil {
		return func() {}, true
	}
	// 62 bits: an offset is signed, and its end must not overflow either.
	lock := unix.Flock_t{
		Type: unix.F_WRLCK, Whence: io.SeekStart, Len: 1,
		Start: int64(binary.BigEndian.Uint64(leaf[:8]) >> 2),
	}
	err := unix.FcntlFlock(c.file.Fd(), unix.F_SETLK, &lock)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, false
	}
	// A file system that has no locks is no reason not to work.
	return func() {
		lock.Type = unix.F_UNLCK
		_ = unix.FcntlFlock(c.file.Fd(), unix.F_SETLK, &lock)
	}, true
}

func (c *claims) close() {
	if c.file != nil {
		c.file.Close()
	}
}
