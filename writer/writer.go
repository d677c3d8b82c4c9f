// Package writer replaces files so that whoever reads them sees the old
// content or the new one, and so that what was reported as written is still
// there after a power cut.
//
// A replacement is a temporary file in the same directory, synced, renamed
// over the old name, and a sync of the directory. Many replacements at once
// share their syncs; see CommitAll.
package writer

import "io/fs"

// TempPattern names the temporary files. The leading dot keeps them out of an
// HAProxy certificate directory, which loads every file that has no reserved
// extension, and out of the globs of other servers' include lines.
const TempPattern = tempPrefix + "*"

const tempPrefix = ".restaple-"

// defaultMode lets everybody read: a staple is public, and a server that
// cannot read its staple may refuse to start.
const defaultMode fs.FileMode = 0o644

// Options says what a replaced file looks like from outside.
type Options struct {
	Mode fs.FileMode // permission bits; 0: 0644, and those of the file that is replaced

	// UID and GID own the file. -1 is the owner of the file that is
	// replaced, else that of Like; this one is not insisted on, since only
	// root can give files away.
	UID, GID int
	Like     string // path of the certificate; may be ""
}

// Job is one file to be replaced or removed.
type Job struct {
	Path   string
	Data   []byte // must not change until Done is called
	Remove bool   // take the file away instead
	Options

	// Still is asked right before the change whether it is still wanted; an
	// error leaves the file as it is, and the job fails with it. May be nil.
	Still func() error

	Tag any // the caller's own; Before and After see it

	// Done is told how it went, once per job. May be nil.
	Done func(changed bool, err error)
}

// Result is how a job went. Changed is also true if the file was replaced and
// Err says that this may not survive a power cut.
type Result struct {
	Job
	Changed bool
	Err     error
}

// Replace makes the file at path contain data, and reports whether it had to
// write. A reader sees the old file or the new one, never a mixture. When
// Replace returns without an error, the new file survives a power cut.
//
// A symbolic link at path is replaced, not followed. A file that has these
// bytes already is not written; its mode and owner are set right if o names
// them. Errors wrap the system's, such as syscall.EROFS or syscall.ENOSPC.
func Replace(path string, data []byte, o Options) (changed bool, err error) {
	return one(Job{Path: path, Data: data, Options: o})
}

// Remove takes away the file or symbolic link at path, and reports whether
// there was one. When it returns without an error, this survives a power cut.
func Remove(path string) (changed bool, err error) {
	return one(Job{Path: path, Remove: true})
}

func one(j Job) (changed bool, err error) {
	j.Done = func(c bool, e error) { changed, err = c, e }
	CommitAll([]Job{j}, CommitOptions{})
	return changed, err
}
