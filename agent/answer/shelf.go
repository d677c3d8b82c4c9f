package answer

import (
	"container/list"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// shelf holds what staple files said when they were last read and verified. It
// never holds more than its limit; what was not used for longest goes. It is
// safe for concurrent use.
type shelf struct {
	limit  int // octets
	mu     sync.Mutex
	size   int
	byFile map[string]*list.Element // of *sheet
	used   list.List                // the latest first
}

// sheet is one file.
type sheet struct {
	path  string
	stamp watcher.Stamp
	chain *chain.Chain
	at    time.Time
	page  *page // nil: no staple
}

// doubtTime is for how long a file counts as no staple before it is verified
// again: it may only have been too early.
const doubtTime = time.Minute

// holds reports whether sh is what a look at the file would find.
func (sh *sheet) holds(c *chain.Chain, stamp watcher.Stamp, now time.Time) bool {
	return sh.chain == c && sh.stamp == stamp && (sh.page != nil || now.Sub(sh.at).Abs() < doubtTime)
}

// overhead is what a sheet takes beside its response, roughly.
const overhead = 1024

// shelfSize is how much of staples is kept in memory: those of some ten
// thousand certificates.
const shelfSize = 32 << 20

func newShelf(limit int) *shelf {
	return &shelf{limit: limit, byFile: make(map[string]*list.Element)}
}

// read returns what the file at path says of the leaf of c, or nil if it is no
// staple of it. A file that has not changed is not read again. A staple that
// says revoked or unknown is one, too: whether it may be shown is for others
// to decide, and so is whether it has ended.
func (s *shelf) read(path string, c *chain.Chain, v *staple.Verifier, now time.Time) *page {
	stamp, err := watcher.StampOf(path)
	s.mu.Lock()
	e := s.byFile[path]
	if err != nil || stamp == (watcher.Stamp{}) { // it cannot be read either, or is not there
		if e != nil {
			s.drop(e)
		}
		s.mu.Unlock()
		return nil
	}
	if e != nil && e.Value.(*sheet).holds(c, stamp, now) {
		s.used.MoveToFront(e)
		p := e.Value.(*sheet).page
		s.mu.Unlock()
		return p
	}
	s.mu.Unlock()

	sh := &sheet{path: path, stamp: stamp, chain: c, at: now, page: readPage(path, c, v, now)}
	s.put(sh)
	return sh.page
}

// put takes in a sheet for the one there was of its file.
func (s *shelf) put(sh *sheet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byFile[sh.path]; e != nil {
		s.drop(e)
	}
	s.byFile[sh.path] = s.used.PushFront(sh)
	s.size += sh.size()
	for s.size > s.limit && s.used.Len() > 1 {
		s.drop(s.used.Back())
	}
}

func (s *shelf) drop(e *list.Element) {
	sh := s.used.Remove(e).(*sheet)
	delete(s.byFile, sh.path)
	s.size -= sh.size()
}

func (sh *sheet) size() int {
	if sh.page == nil {
		return overhead
	}
	return overhead + len(sh.page.der)
}

// readPage reads and verifies a staple file.
func readPage(path string, c *chain.Chain, v *staple.Verifier, now time.Time) *page {
	der, err := readLimited(path)
	if err != nil {
		return nil
	}
	st, err := verify(der, c, v, now)
	if err != nil {
		return nil
	}
	return newPage(st)
}

// verify is Verify for those to whom revoked and unknown are answers as well.
func verify(der []byte, c *chain.Chain, v *staple.Verifier, now time.Time) (*staple.Staple, error) {
	st, err := v.Verify(der, c, now)
	if e, ok := errors.AsType[*staple.Error](err); ok && e.Statement != nil {
		return e.Statement, nil
	}
	return st, err
}

// readLimited reads a file, but not one that is too large for a staple.
func readLimited(path string) ([]byte, error) {
	// Without O_NONBLOCK the open of a FIFO would wait for a writer, and so
	// would the client.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	der, err := io.ReadAll(io.LimitReader(f, staple.MaxSize+1))
	if err == nil && len(der) > staple.MaxSize {
		err = errors.New("too large for a staple")
	}
	return der, err
}

// usable reports whether a staple of a leaf may still be given out: until it would
// be withdrawn from a server, since whoever asks keeps it for a while.
func usable(s *staple.Staple, leaf *chain.Leaf, now time.Time) bool {
	if leaf.MustStaple {
		return now.Before(schedule.LastMomentAt(s.ThisUpdate, s.Expires))
	}
	return now.Before(schedule.WithdrawAt(s.ThisUpdate, s.Expires))
}
