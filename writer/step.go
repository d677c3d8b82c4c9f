package writer

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// step is a job on its way.
type step struct {
	*Job
	folder  *folder
	base    string
	old     fs.FileInfo // the regular file that is replaced; nil if there is none
	temp    string      // name of the temporary file; "" if there is none
	changed bool
	err     error
}

func (s *step) fail(doing string, err error) { s.err = s.wrap(doing, err) }

// wrap says once which file it was, whatever the system call was given.
func (s *step) wrap(doing string, err error) error {
	verb := "replace"
	if s.Remove {
		verb = "remove"
	}
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &path) {
		err = path.Err
	} else if errors.As(err, &link) {
		err = link.Err
	}
	return fmt.Errorf("%s %s: %s: %w", verb, s.Path, doing, err)
}

// plan reports whether the step changes anything.
func (s *step) plan() bool {
	if err := s.folder.err; err != nil {
		gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
		if !s.Remove || !gone {
			s.fail("open directory", err)
		}
		return false
	}
	info, err := s.folder.root.Lstat(s.base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return !s.Remove
	case err != nil:
		s.fail("look", err)
		return false
	case info.Mode().Type() == fs.ModeSymlink:
		return true
	case !info.Mode().IsRegular():
		// A staple path that is a directory or /dev/null is a mistake.
		s.fail("look", errors.New("not a regular file"))
		return false
	}
	s.old = info
	if s.Remove {
		return true
	}
	same, err := s.same()
	if err != nil {
		s.fail("set mode and owner", err)
	}
	return !same
}

// same reports whether the file has the bytes already, and if so sets right
// what else the job names. A file that cannot be read is replaced.
func (s *step) same() (bool, error) {
	if s.old.Size() != int64(len(s.Data)) {
		return false, nil
	}
	f, err := s.folder.root.OpenFile(s.base, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !os.SameFile(info, s.old) {
		return false, nil
	}
	have, err := io.ReadAll(io.LimitReader(f, int64(len(s.Data))+1))
	if err != nil || !bytes.Equal(have, s.Data) {
		return false, nil
	}
	return true, s.Options.correct(f, s.old)
}

// write makes the temporary file.
func (s *step) write(sync bool) error {
	s.temp = tempPrefix + rand.Text()
	f, err := s.folder.root.OpenFile(s.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, s.mode(s.old))
	if err != nil {
		s.temp = ""
		return s.wrap("create temporary file", err)
	}
	defer f.Close()
	if _, err := f.Write(s.Data); err != nil {
		return s.wrap("write", err)
	}
	if err := s.Options.apply(f, s.old); err != nil {
		return s.wrap("set mode and owner", err)
	}
	if sync {
		// Without this a crash may leave an empty file under the final name.
		if err := f.Sync(); err != nil {
			return s.wrap("sync", err)
		}
	}
	if err := f.Close(); err != nil {
		return s.wrap("close", err)
	}
	return nil
}

// sync brings to the disk what write has written.
func (s *step) sync() error {
	f, err := s.folder.root.Open(s.temp)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// finish makes the change under the file's own name.
func (s *step) finish() {
	if s.Still != nil {
		if s.err = s.Still(); s.err != nil {
			return
		}
	}
	if s.Remove {
		err := s.folder.root.Remove(s.base)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.fail("remove", err)
		}
		s.changed = err == nil
		return
	}
	err := s.folder.root.Rename(s.temp, s.base)
	if errors.Is(err, fs.ErrNotExist) {
		// Another process took it for a leftover; it will not do so twice.
		if s.err = s.write(true); s.err != nil {
			return
		}
		err = s.folder.root.Rename(s.temp, s.base)
	}
	if err != nil {
		s.fail("rename", err)
		return
	}
	s.temp, s.changed = "", true
}

// discard removes the temporary file if it is still there.
func (s *step) discard() {
	if s.temp != "" {
		s.folder.root.Remove(s.temp)
		s.temp = ""
	}
}
