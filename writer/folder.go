package writer

import (
	"os"
	"syscall"
)

// folder is an open directory. Every step of a job goes through it, so that a
// directory that is swapped meanwhile cannot lead the rename elsewhere.
type folder struct {
	root   *os.Root
	self   *os.File // the directory itself, to lock and to sync
	device uint64
	err    error // why it is not open
}

// openFolder opens dir and tells other processes that its temporary files are
// in use. Where the lock is not to be had, a sweep may take a file from us,
// which finish repairs.
func openFolder(dir string) *folder {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &folder{err: err}
	}
	self, err := root.Open(".")
	if err != nil {
		root.Close()
		return &folder{err: err}
	}
	f := &folder{root: root, self: self}
	if info, err := self.Stat(); err == nil {
		f.device = uint64(info.Sys().(*syscall.Stat_t).Dev)
	}
	syscall.Flock(int(self.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return f
}

func (f *folder) close() {
	if f.err == nil {
		f.self.Close()
		f.root.Close()
	}
}
