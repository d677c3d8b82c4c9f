package agent

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// look asks for one certificate file and its staple to be read.
type look struct {
	key     targetKey
	staple  string
	snippet string
	text    []byte        // that the snippet has to hold
	now     watcher.Stamp // of the certificate, if it was just taken
	leaf    *chain.Chain  // what the certificate held at stamp; nil: read it
	stamp   watcher.Stamp // of the certificate when leaf was read
	lone    bool          // all is as it was, but for an issuer perhaps
	around  uint64        // the surroundings in which none was found
	loader  *chain.Loader
	checker *staple.Verifier
	server  *profile.Profile
}

// observation is what a look found.
type observation struct {
	key    targetKey
	same   bool // all is as it was
	stamp  watcher.Stamp
	around uint64 // stands for where no issuer was found
	chain  *chain.Chain
	err    error // why there is no chain
	unfit  error // why the server would not start with any staple for it
	disk   disk
}

// Observations go to the loop many at once, which makes the hand-over cheap, but
// the first of them few at once: responders are to be asked while the others
// are still being read.
const (
	firstChunk = 4
	lastChunk  = 64
)

// chunks says where each part of n looks ends.
func chunks(n int) (ends []int) {
	for end, size := 0, firstChunk; end < n; size = min(2*size, lastChunk) {
		end = min(end+size, n)
		ends = append(ends, end)
	}
	return ends
}

// observe reads and verifies on all cores, away from the loop.
func (a *Agent) observe(ctx context.Context, looks []look) {
	if len(looks) == 0 {
		return
	}
	a.lookings += len(looks)
	ends := chunks(len(looks))
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(ends)) {
		a.work.Go(func() {
			for {
				i, start := int(next.Add(1))-1, 0
				if i >= len(ends) {
					return
				}
				if i > 0 {
					start = ends[i-1]
				}
				found := make([]observation, 0, ends[i]-start)
				for _, l := range looks[start:ends[i]] {
					found = append(found, l.do(wall()))
				}
				select {
				case a.observed <- found:
				case <-ctx.Done():
					return
				}
			}
		})
	}
}

// do reads the certificate, if it has to be, and its staple. The stamps are
// taken before the contents, so that a change in between is seen next time.
func (l look) do(now time.Time) observation {
	o := observation{key: l.key, chain: l.leaf}
	if l.lone && l.loader.Surroundings(l.key.path) == l.around {
		o.same = true
		return o
	}
	if o.stamp = l.now; o.stamp == (watcher.Stamp{}) {
		if o.stamp, o.err = watcher.StampOf(l.key.path); o.err != nil {
			return o
		}
	}
	if o.stamp == (watcher.Stamp{}) {
		o.err = fs.ErrNotExist
		return o
	}
	if o.chain == nil || o.stamp != l.stamp || o.chain.Issuer == nil {
		if o.chain, o.err = l.loader.Load(l.key.path); o.err != nil {
			return o
		}
	}
	if o.chain.Issuer == nil {
		// Once more, or what has come since then would never be seen.
		o.around = l.loader.Surroundings(l.key.path)
		if o.chain, o.err = l.loader.Load(l.key.path); o.err != nil {
			return o
		}
	}
	if o.unfit = l.server.Finds(l.key.path, l.staple, o.chain.IssuerFile); o.unfit != nil && o.chain == l.leaf {
		// Another file with the same leaf may have brought the issuer.
		own, err := l.loader.Load(l.key.path)
		if o.err = err; err != nil {
			return o
		}
		if o.unfit = l.server.Finds(l.key.path, l.staple, own.IssuerFile); own.Issuer != nil {
			o.chain = own
		}
	}
	o.disk = readStaple(l.staple, l.key.path, o.chain, now, l.checker)
	if l.snippet != "" {
		o.disk.snippet, _ = watcher.StampOf(l.snippet)
		text, err := readLimited(l.snippet)
		o.disk.mended = err == nil && bytes.Equal(text, l.text)
		o.disk.stray = err == nil && !profile.IsSnippet(text)
	}
	return o
}

// readStaple says what the staple file at path holds for the chain in the file
// cert.
func readStaple(path, cert string, c *chain.Chain, now time.Time, v *staple.Verifier) disk {
	var d disk
	d.stamp, _ = watcher.StampOf(path) // what cannot be looked at is read as missing, and said when it is written
	if d.stamp == (watcher.Stamp{}) {
		return d
	}
	der, err := readLimited(path)
	switch {
	case err != nil:
		d.kind, d.reason = invalid, staple.Malformed
		if errors.Is(err, fs.ErrNotExist) {
			d.kind = missing
		}
		return d
	case len(der) == 0:
		d.kind = empty
		return d
	case staple.IsPlaceholder(der):
		d.kind = placeholder
		return d
	case isForeign(der):
		d.kind = foreign
		return d
	case c.Issuer == nil:
		d.judge(der, cert)
		return d
	}
	s, err := v.Verify(der, c, now)
	if err == nil {
		return holding(s, d.stamp)
	}
	e := reasonOf(err)
	if e.Statement != nil {
		return holding(e.Statement, d.stamp)
	}
	d.kind, d.reason, d.this, d.next = invalid, e.Reason, e.ThisUpdate, e.NextUpdate
	return d
}

// judge says what can be said of a response while there is no issuer to verify
// it with: whether it is of an earlier leaf, and when it is over in any case.
func (d *disk) judge(der []byte, cert string) {
	d.kind = unverified
	leaf, err := chain.LeafCertificate(cert)
	if err != nil {
		return // it has changed since; that will be looked at
	}
	if d.this, d.ends, err = staple.About(der, leaf); err != nil {
		d.kind, d.reason = invalid, reasonOf(err).Reason
	}
}

// isForeign reports whether a file in a staple's place is what nobody could
// mean to be replaced by a staple.
func isForeign(content []byte) bool {
	for _, label := range []string{"CERTIFICATE-----", "PRIVATE KEY-----"} {
		if bytes.Contains(content, []byte(label)) {
			return true
		}
	}
	_, err := x509.ParseCertificate(content)
	return err == nil
}

// reasonOf returns the *staple.Error that every failed verification is.
func reasonOf(err error) *staple.Error {
	if e, ok := errors.AsType[*staple.Error](err); ok {
		return e
	}
	return &staple.Error{Reason: staple.Malformed, Detail: err.Error()}
}

// readLimited reads a staple file; one that is too large for a staple comes
// back cut, and fails to verify.
func readLimited(path string) ([]byte, error) {
	// Without O_NONBLOCK the open of a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	buf := make([]byte, min(info.Size(), staple.MaxSize)+1)
	n, err := io.ReadFull(f, buf)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	return buf[:n], err
}
