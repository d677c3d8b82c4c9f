// Package haproxy brings staples into a running HAProxy over its runtime API:
// nothing is reloaded, and no connection is touched.
//
// HAProxy keeps what it gets in memory only. The staple's file stays the
// truth: HAProxy reads it when it starts or reloads, and Reconcile compares
// the two. There is no command to take a staple away, so nothing is done for
// withdrawn ones; HAProxy stops serving a staple 300 s before its nextUpdate.
//
// A certificate that HAProxy has not loaded, or not since it was renewed, is no
// failure: a deploy hook refreshes the staple before it reloads HAProxy, which
// then reads certificate and staple together. Certificates and keys are never
// sent.
package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/restaple/restaple/hooks"
)

const defaultTimeout = 5 * time.Second

// Options describes one HAProxy. Address, Read and Log are required.
type Options struct {
	// Address of the stats socket or the master CLI: /path, unix:/path, or
	// host:port. The socket needs level admin.
	Address string

	// Master says that Address is the master CLI (haproxy -W -S). The
	// current worker is told, and the old ones that still drain.
	Master bool

	// Read returns the response in the staple's file, verified against its
	// certificate; nothing else is ever sent. fs.ErrNotExist says that there
	// is none, so that there is nothing to tell.
	Read func(hooks.Change) ([]byte, error)

	// All returns a Change for each staple that HAProxy may want. Deliver
	// asks it if it was told of no changes, which happens after a crash; it
	// may be nil.
	All func() []hooks.Change

	// Buffer is HAProxy's tune.bufsize, in octets; 0: its default, 16384.
	// Responses that take more than this less 1 KiB, in base64, cannot be
	// sent: about 11,500 octets by default. The master CLI takes no larger
	// ones with a larger buffer.
	Buffer int

	// Turns is a file by whose lock processes that tell the same HAProxy take
	// turns; "": they do not.
	Turns string

	Timeout time.Duration // of one command; 0: 5 seconds
	Log     *slog.Logger
}

// Hook tells one HAProxy of its staples. It is safe for concurrent use.
type Hook struct {
	options Options
	line    line
	log     *slog.Logger

	turn chan struct{} // holds a token while nobody delivers: transactions must not mix

	// What follows is of who holds turn.
	said    map[string]string // by certificate, why it could not be told
	learned *learned
	unshown unshown
}

var _ hooks.Action = (*Hook)(nil)

// New checks the options. It does not connect.
func New(o Options) (*Hook, error) {
	if o.Read == nil || o.Log == nil {
		return nil, errors.New("a haproxy hook needs a way to read staples and a log")
	}
	network, address, err := splitAddress(o.Address)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	switch {
	case o.Buffer == 0 || o.Master && o.Buffer > defaultBuffer:
		o.Buffer = defaultBuffer
	case o.Buffer < smallestBuffer:
		return nil, fmt.Errorf("HAProxy's tune.bufsize is at least %d, got %d", smallestBuffer, o.Buffer)
	}
	h := &Hook{
		options: o,
		line:    line{network: network, address: address, timeout: o.Timeout, longest: o.Buffer - reserved},
		log:     o.Log,
		turn:    make(chan struct{}, 1),
		said:    make(map[string]string),
		learned: newLearned(),
	}
	h.turn <- struct{}{}
	return h, nil
}

// Deliver brings the placed staples into HAProxy, each one as far as it can:
// one failure does not stop the others. Without changes it does what Reconcile
// does with all there are.
func (h *Hook) Deliver(ctx context.Context, changes []hooks.Change) error {
	if len(changes) > 0 {
		_, err := h.tell(ctx, changes, false)
		return err
	}
	if h.options.All == nil {
		return nil
	}
	_, err := h.Reconcile(ctx, h.options.All())
	return err
}

// Reconcile compares the staples that HAProxy holds with those on disk and
// brings it what differs. It returns how many that were. A staple whose end
// is too near for HAProxy is passed over.
func (h *Hook) Reconcile(ctx context.Context, all []hooks.Change) (pushed int, err error) {
	return h.tell(ctx, all, true)
}
