package writer

import (
	"io/fs"
	"os"
	"syscall"
)

// apply gives the new file f its mode and owner, as far as it was not created
// with them. old is the file it replaces, or nil.
func (o Options) apply(f *os.File, old fs.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := o.chown(f, info, old); err != nil {
		return err
	}
	if mode := o.mode(old); mode != info.Mode().Perm() { // such is the umask
		return f.Chmod(mode)
	}
	return nil
}

func (o Options) mode(old fs.FileInfo) fs.FileMode {
	switch {
	case o.Mode != 0:
		return o.Mode.Perm()
	case old != nil:
		return old.Mode().Perm() | defaultMode
	}
	return defaultMode
}

func (o Options) chown(f *os.File, info, old fs.FileInfo) error {
	haveUID, haveGID := owner(info)
	if (o.UID != -1 && o.UID != haveUID) || (o.GID != -1 && o.GID != haveGID) {
		if err := f.Chown(o.UID, o.GID); err != nil {
			return err
		}
	}
	uid, gid := o.wish(old)
	if (uid != -1 && uid != haveUID) || (gid != -1 && gid != haveGID) {
		if f.Chown(uid, gid) != nil {
			f.Chown(o.UID, gid) // not root, but the group may be one of ours
		}
	}
	return nil
}

// wish is the owner that a new file should have, -1 where any will do.
func (o Options) wish(old fs.FileInfo) (uid, gid int) {
	uid, gid = o.UID, o.GID
	if uid != -1 && gid != -1 {
		return uid, gid
	}
	model := old
	if model == nil && o.Like != "" {
		model, _ = os.Stat(o.Like) // nil if it is gone: then any owner will do
	}
	if model == nil {
		return uid, gid
	}
	modelUID, modelGID := owner(model)
	if uid == -1 {
		uid = modelUID
	}
	if gid == -1 {
		gid = modelGID
	}
	return uid, gid
}

// correct sets what o names explicitly on the file f that keeps its content,
// and lets everybody read it if nothing is named and f may be changed.
func (o Options) correct(f *os.File, info fs.FileInfo) error {
	uid, gid := owner(info)
	if (o.UID != -1 && o.UID != uid) || (o.GID != -1 && o.GID != gid) {
		if err := f.Chown(o.UID, o.GID); err != nil {
			return err
		}
	} else if o.mode(info) == info.Mode().Perm() {
		return nil
	}
	if err := f.Chmod(o.mode(info)); err != nil {
		if o.Mode == 0 {
			return nil // whoever owns it wants it so
		}
		return err
	}
	return f.Sync()
}

func owner(info fs.FileInfo) (uid, gid int) {
	s := info.Sys().(*syscall.Stat_t)
	return int(s.Uid), int(s.Gid)
}
