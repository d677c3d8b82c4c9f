package chain

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// issuerDirs knows the certificates in the configured directories by subject.
// It is read when the first leaf needs it: most chains bring their issuer.
type issuerDirs struct {
	paths []string
	read  func(path string) ([]*sketch, error)

	mu        sync.Mutex
	current   bool // false: look at every file again
	dirs      []fs.FileInfo
	files     map[string]issuerFile
	bySubject map[string][]*sketch
	problems  []error
	changes   uint64 // of files, so far
}

type issuerFile struct {
	info     fs.FileInfo
	sketches []*sketch
	err      error
}

func (d *issuerDirs) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = false
}

func (d *issuerDirs) problemsNow() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.problems)
}

// lookup returns the certificates of that subject. It lists the directories
// again if their modification times say that a file came or went.
func (d *issuerDirs) lookup(subject []byte) []*sketch {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.update()
	return slices.Clone(d.bySubject[string(subject)])
}

// version is another number when a file is another one.
func (d *issuerDirs) version() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.update()
	return d.changes
}

func (d *issuerDirs) update() {
	dirs := make([]fs.FileInfo, len(d.paths))
	for i, path := range d.paths {
		dirs[i], _ = os.Stat(path) // if it is not there, refresh says so
	}
	if !d.current || !slices.EqualFunc(dirs, d.dirs, unchanged) {
		d.refresh()
		d.dirs, d.current = dirs, true
	}
}

func (d *issuerDirs) refresh() {
	old := d.files
	d.files = make(map[string]issuerFile)
	d.bySubject = make(map[string][]*sketch)
	d.problems = nil
	for _, path := range d.paths {
		files, err := issuerFiles(path)
		if err != nil {
			d.problems = append(d.problems, fmt.Errorf("issuer directory: %w", err))
			continue
		}
		for _, file := range files {
			d.take(file, old[file])
		}
	}
	if !maps.EqualFunc(old, d.files, func(a, b issuerFile) bool { return unchanged(a.info, b.info) }) {
		d.changes++
	}
}

func (d *issuerDirs) take(path string, known issuerFile) {
	if _, twice := d.files[path]; twice {
		return
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return // gone meanwhile, a dangling link, a subdirectory
	}
	if !unchanged(info, known.info) {
		known = issuerFile{info: info}
		known.sketches, known.err = d.read(path)
	}
	d.files[path] = known
	for _, s := range known.sketches {
		d.bySubject[string(s.subject)] = append(d.bySubject[string(s.subject)], s)
	}
	if known.err != nil && !errors.Is(known.err, ErrNotChain) {
		d.problems = append(d.problems, fmt.Errorf("issuer file %s: %w", path, pathless(known.err)))
	}
}

// issuerFiles lists a directory, but for dot files: those are temporary, or
// the inner side of a Kubernetes volume.
func issuerFiles(path string) ([]string, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	return files, nil
}

func unchanged(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
