package watcher

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Stamper is for stamping very many files one after the other: while they lie in
// the same directory it keeps that open. The zero Stamper is ready. It must be
// closed, and is for one goroutine.
type Stamper struct {
	dir  string
	seen int // files in dir so far
	open bool
	fd   int
}

// worthOpening is after how many files in a row a directory is opened: to open
// and to close it costs as much as looking at a few.
const worthOpening = 4

// StampOf is like the function StampOf.
func (s *Stamper) StampOf(path string) (Stamp, error) {
	dir, name := filepath.Split(path)
	if dir != s.dir {
		s.Close()
		s.dir = dir
	}
	if s.seen++; s.seen == worthOpening {
		if fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			s.open, s.fd = true, fd
		}
	}
	if !s.open || name == "" {
		return StampOf(path)
	}
	stat, err := statAt(s.fd, name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return Stamp{}, nil
	case err != nil:
		return Stamp{}, fmt.Errorf("stat %s: %w", path, err)
	}
	return stampOf(&stat), nil
}

// Close lets go of the directory.
func (s *Stamper) Close() {
	if s.open {
		_ = unix.Close(s.fd)
	}
	*s = Stamper{}
}
