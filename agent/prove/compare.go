package prove

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// Comparison is what Compare goes by: what a server presents, and what it
// should serve.
type Comparison struct {
	Chain  *chain.Chain // of the presented leaf
	Served []byte       // nil: no staple
	Now    time.Time
	Verify staple.Options

	// HasDisk says that it is known what is on disk: Disk, or nothing if
	// that is empty.
	HasDisk bool
	Disk    []byte

	// Accepts says why the server takes no such staple, or nil if it does:
	// HAProxy, for one, stops serving five minutes early. May be nil.
	Accepts func(s *staple.Staple, now time.Time) error

	// Lazy is how long before the end of what it serves the server has read
	// what is newer on disk, by itself; 0: it is told.
	Lazy time.Duration
}

// Compare says whether what is served is a good staple for the presented
// leaf, and the one on disk. It only looks at what it is given.
func Compare(c Comparison) Finding {
	f := Finding{Same: c.HasDisk && bytes.Equal(c.Served, c.Disk)}
	switch {
	case len(c.Served) == 0:
		return c.none(f)
	case staple.IsPlaceholder(c.Served):
		return f.because(Placeholder, "the server serves the placeholder, which clients take for no staple")
	}
	served, err := staple.Verify(c.Served, c.Chain, c.Now, c.Verify)
	if err != nil {
		return c.refused(f, err)
	}
	f.Staple = served
	return c.beside(f)
}

// none is for a server that serves no staple.
func (c *Comparison) none(f Finding) Finding {
	why := ""
	if c.HasDisk {
		onDisk, err := c.disk()
		if err == nil && c.Accepts != nil {
			err = c.Accepts(onDisk, c.Now)
		}
		switch {
		case err == nil:
			return f.because(NoneServed, "the server serves no staple, and on disk is one that is good until %s", stamp(onDisk.Expires))
		case len(c.Disk) == 0:
			why = ", and there is none on disk"
		case staple.IsPlaceholder(c.Disk):
			why = ", and on disk is only the placeholder"
		case c.Chain.Issuer == nil: // it may well be good
			return f.because(NoneServed, "the server serves no staple, and there is one on disk")
		default:
			why = fmt.Sprintf(", and would not take what is on disk: %v", err)
		}
		f.Same = true
	}
	if leaf := c.Chain.Leaf; c.Now.After(leaf.NotAfter) {
		return f.because(Nothing, "the server serves no staple, and its certificate has expired at %s%s", stamp(leaf.NotAfter), why)
	}
	if c.Chain.Leaf.MustStaple {
		return f.because(NoneServed, "the server serves no staple, and the certificate demands one (must-staple)%s", why)
	}
	return f.because(Nothing, "the server serves no staple%s", why)
}

// refused is for a server that serves what is no good staple.
func (c *Comparison) refused(f Finding, err error) Finding {
	e, ok := errors.AsType[*staple.Error](err)
	if !ok {
		return f.because(Invalid, "%v", err)
	}
	f.Reason, f.Staple = e.Reason, e.Statement
	switch e.Reason {
	case staple.WrongIssuer:
		// Whoever has written the file has verified it.
		if f.Same {
			return f.because(NoIssuer, "the server serves what is on disk; to verify it, its issuer is missing")
		}
		return f.because(NoIssuer, "the server serves a response, and presents no issuer to verify it with")
	case staple.NoMatch:
		return f.because(Mismatch, "%s", e.Detail)
	case staple.Expired:
		return f.because(Ended, "%s", e.Detail)
	case staple.IsRevoked:
		return f.because(Revoked, "%s", e.Detail)
	case staple.IsUnknown:
		return f.because(Unknown, "%s", e.Detail)
	}
	return f.because(Invalid, "%v", e)
}

// beside holds a good staple beside what is on disk.
func (c *Comparison) beside(f Finding) Finding {
	until := stamp(f.Staple.Expires)
	if !c.HasDisk {
		return f.because(Valid, "a good staple until %s", until)
	}
	if f.Same {
		return f.because(Proven, "a good staple until %s, the one on disk", until)
	}
	onDisk, err := c.disk()
	switch {
	case len(c.Disk) == 0:
		return f.because(NotOnDisk, "the server serves a good staple until %s, and there is none on disk", until)
	case err != nil && staple.IsPlaceholder(c.Disk):
		return f.because(NotOnDisk, "the server serves a good staple until %s, and on disk is only the placeholder", until)
	case err != nil:
		return f.because(NotOnDisk, "the server serves a good staple until %s, and what is on disk is none: %v", until, err)
	case onDisk.NewerThan(f.Staple) && c.Lazy > 0 && c.Now.Before(f.Staple.Expires.Add(-c.Lazy)):
		f.Same = true
		return f.because(OlderForNow, "a good staple until %s; the server reads that of %s before then", until, stamp(onDisk.ThisUpdate))
	case onDisk.NewerThan(f.Staple):
		return f.because(OlderServed, "the server serves the staple of %s, on disk is that of %s: it has not read the file since",
			stamp(f.Staple.ThisUpdate), stamp(onDisk.ThisUpdate))
	case f.Staple.NewerThan(onDisk):
		return f.because(NewerServed, "the server serves the staple of %s, on disk is that of %s: it has another source",
			stamp(f.Staple.ThisUpdate), stamp(onDisk.ThisUpdate))
	}
	return f.because(OtherServed, "the server serves another staple of %s than the one on disk", stamp(f.Staple.ThisUpdate))
}

// disk verifies what is on disk.
func (c *Comparison) disk() (*staple.Staple, error) {
	return staple.Verify(c.Disk, c.Chain, c.Now, c.Verify)
}

// stamp writes a time as logs do.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
