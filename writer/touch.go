package writer

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Touch sets the times of the file at path to now and leaves all else as it
// is. Of a symbolic link it sets those of the link. They need not survive a
// power cut.
func Touch(path string) error {
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, nil, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set the time of %s: %w", path, err)
	}
	return nil
}
