package writer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// abandoned is the age from which a temporary file is a leftover where the
// file system has no locks that could tell.
const abandoned = time.Hour

// Sweep removes what a killed process left in dir. If a live one is writing
// there at the moment, it does nothing. A missing dir is no error.
func Sweep(dir string) error {
	f := openFolder(dir)
	if errors.Is(f.err, fs.ErrNotExist) {
		return nil
	}
	if f.err != nil {
		return fmt.Errorf("sweep: %w", f.err)
	}
	defer f.close()
	err := syscall.Flock(int(f.self.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err := f.sweep(err == nil); err != nil {
		return fmt.Errorf("sweep %s: %w", dir, err)
	}
	return nil
}

func (f *folder) sweep(locked bool) error {
	var problems []error
	for {
		names, err := f.self.Readdirnames(1024)
		for _, name := range names {
			if isTemp(name) {
				if err := f.drop(name, locked); err != nil {
					problems = append(problems, err)
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return errors.Join(problems...)
		}
		if err != nil {
			return errors.Join(append(problems, err)...)
		}
	}
}

func (f *folder) drop(name string, locked bool) error {
	info, err := f.root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return nil // gone meanwhile, or not ours
	}
	if !locked && time.Since(info.ModTime()) < abandoned {
		return nil
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isTemp reports whether name is one that write makes up, so that a user's
// own file with a similar name stays.
func isTemp(name string) bool {
	random, ok := strings.CutPrefix(name, tempPrefix)
	return ok && len(random) == randomLen && strings.Trim(random, randomAlphabet) == ""
}

// What crypto/rand.Text returns.
const (
	randomLen      = 26
	randomAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)
