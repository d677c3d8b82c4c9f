package chain

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// buffers are what files are read into. A file may hold a private key, so a
// buffer is cleared before it is used for another.
type buffers struct{ pool sync.Pool }

// keptBuffer is the capacity in bytes up to which a buffer is used again. A
// bundle with its key is smaller.
const keptBuffer = 64 << 10

// read gives the content of the file to cut, which must keep nothing of it.
func (b *buffers) read(path string, cut func([]byte) ([][]byte, error)) ([][]byte, error) {
	// Without O_NONBLOCK the open of a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	stat, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !stat.Mode().IsRegular():
		return nil, fmt.Errorf("%w: not a regular file", ErrNotChain)
	case stat.Size() > MaxSize:
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrNotChain, MaxSize)
	}

	size := int(stat.Size())
	buf := b.get(size + 1) // one more: has it grown meanwhile?
	defer b.put(buf)
	n, err := io.ReadFull(f, buf)
	switch {
	case err == nil || n < size:
		return nil, fmt.Errorf("%w: its size changed", ErrIncomplete)
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, err
	}
	return cut(buf[:n])
}

func (b *buffers) get(size int) []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok && cap(*buf) >= size {
		return (*buf)[:size]
	}
	return make([]byte, size, max(size, 16<<10))
}

func (b *buffers) put(buf []byte) {
	clear(buf)
	if cap(buf) <= keptBuffer {
		b.pool.Put(&buf)
	}
}
