package chain

import (
	"hash/fnv"
	"io/fs"
	"os"
	"syscall"
)

// Surroundings stands for all files besides path in which Load looks for the
// issuer of the chain there. While it is the same, another Load finds the same;
// to compare it reads no file.
func (l *Loader) Surroundings(path string) uint64 {
	h := fnv.New64a()
	add := func(v uint64) {
		var b [8]byte
		for i := range b {
			b[i] = byte(v >> (8 * i))
		}
		h.Write(b[:])
	}
	for _, companion := range companions(path) {
		info, err := os.Stat(companion)
		if err != nil {
			add(0)
			continue
		}
		for _, v := range versionOf(info) {
			add(v)
		}
	}
	if len(l.dirs.paths) > 0 {
		add(l.dirs.version())
	}
	return h.Sum64()
}

// versionOf tells versions of a file apart. The mode is in it for a file that
// could not be read.
func versionOf(info fs.FileInfo) []uint64 {
	v := []uint64{uint64(info.Mode()), uint64(info.Size()), uint64(info.ModTime().UnixNano())}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		v = append(v, uint64(stat.Dev), stat.Ino)
	}
	return v
}
