package writer

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFileSystem writes out everything on the file system that f is on. Since
// Linux 5.8 it also tells of what could not be written.
func syncFileSystem(f *os.File) error { return unix.Syncfs(int(f.Fd())) }
