package haproxy

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// turnPause is between two tries to get the lock of another process.
const turnPause = 50 * time.Millisecond

// takeTurn waits until nobody else delivers, in this process or in another one
// that has the same lock file, as a daemon has and the timer that backs it up:
// their transactions must not mix. It returns how to let the next one have it.
func (h *Hook) takeTurn(ctx context.Context) (pass func(), err error) {
	select {
	case <-h.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	unlock, err := h.lockOthers(ctx)
	if err != nil {
		h.turn <- struct{}{}
		return nil, err
	}
	return func() { unlock(); h.turn <- struct{}{} }, nil
}

// lockOthers waits for other processes. Where there can be no lock, what two
// deliver at the same time may fail, and is tried again.
func (h *Hook) lockOthers(ctx context.Context) (unlock func(), err error) {
	if h.options.Turns == "" {
		return func() {}, nil
	}
	f, err := os.OpenFile(h.options.Turns, os.O_RDONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		h.log.Debug("deliveries of other processes are not waited for", "err", err)
		return func() {}, nil
	}
	for errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK) {
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(turnPause):
		}
	}
	return func() { f.Close() }, nil
}
