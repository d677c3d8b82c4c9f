package hooks

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	markSuffix = ".mark"

	// maxMark bounds what is read back: 100,000 changes fit.
	maxMark = 64 << 20
)

// mark is a file that says: a hook is due. It holds the changes as JSON. A
// process keeps its marks locked, so that others can tell them from those a
// killed one has left.
type mark struct {
	file *os.File
}

// newMark writes a mark into dir; it survives a power cut.
func newMark(dir string, changes []Change) (*mark, error) {
	content, err := json.Marshal(changes)
	if err != nil {
		return nil, err
	}
	m, err := createMark(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
		m, err = createMark(dir)
	}
	if err != nil {
		return nil, err
	}
	_, err = m.file.Write(content)
	if err == nil {
		err = m.file.Sync()
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		m.remove()
		return nil, err
	}
	return m, nil
}

// createMark makes an empty mark and locks it. Between the two another
// process may take it for abandoned and remove it: then it makes another.
func createMark(dir string) (*mark, error) {
	for {
		// Marks are read in the order of their names.
		name := fmt.Sprintf("%020d-%s%s", time.Now().UnixNano(), rand.Text(), markSuffix)
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		if lock(f) && linked(f) {
			return &mark{file: f}, nil
		}
		f.Close()
	}
}

// lock reports false if another process holds the file. A file system without
// locks says yes: better a hook too many.
func lock(f *os.File) bool {
	return !errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

func linked(f *os.File) bool {
	info, err := f.Stat()
	return err != nil || info.Sys().(*syscall.Stat_t).Nlink > 0
}

// remove takes the mark away: the hook is not due any more. This need not
// survive a power cut.
func (m *mark) remove() error {
	defer m.release()
	if err := os.Remove(m.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// release leaves the mark to whoever comes next.
func (m *mark) release() { m.file.Close() }

// changes reads the mark. Of one that was cut off in a crash, or that somebody
// damaged, only the fact remains.
func (m *mark) changes() []Change {
	content, err := io.ReadAll(io.NewSectionReader(m.file, 0, maxMark))
	if err != nil {
		return nil
	}
	return parseMark(content)
}

func parseMark(content []byte) []Change {
	var changes []Change
	if json.Unmarshal(content, &changes) != nil {
		return nil
	}
	return changes
}

// abandonedMarks locks and returns the marks in dir that nobody holds, oldest
// first. Those in own are this process's.
func abandonedMarks(dir string, own map[string]bool) ([]*mark, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var marks []*mark
	problems := []error{err}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.Type().IsRegular() || !strings.HasSuffix(path, markSuffix) || own[path] {
			continue
		}
		f, err := os.Open(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			problems = append(problems, err)
		case !lock(f) || !linked(f):
			f.Close()
		default:
			marks = append(marks, &mark{file: f})
		}
	}
	return slices.Clip(marks), errors.Join(problems...)
}

// makeDir makes dir, for restaple alone, so that it survives a power cut.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	return errors.Join(syncDir(parent), syncDir(filepath.Dir(parent)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
