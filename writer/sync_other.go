//go:build !linux

package writer

import (
	"errors"
	"os"
)

// syncFileSystem exists on Linux only; elsewhere files are synced one by one.
func syncFileSystem(*os.File) error { return errors.ErrUnsupported }
