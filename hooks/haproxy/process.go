package haproxy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/restaple/restaple/hooks"
)

// Identity names the process that serves: its pid and when it started. It
// changes when HAProxy was restarted or reloaded, which loses what was brought
// into it since, so that Reconcile is due.
func (h *Hook) Identity(ctx context.Context) (string, error) {
	l := h.line
	if h.options.Master {
		l.prefix = "@1 "
	}
	reply, err := l.say(ctx, "show info", "")
	if err != nil {
		return "", err
	}
	pid := parseField(reply, "Pid")
	if _, err := strconv.Atoi(pid); err != nil {
		return "", refused("show info", reply)
	}
	// Versions before 2.5 do not have the second one.
	return pid + "@" + parseField(reply, "Start_time_sec"), nil
}

// oldWorkers returns those that serve their last connections after a reload.
func (h *Hook) oldWorkers(ctx context.Context) ([]*visit, error) {
	reply, err := h.line.say(ctx, "show proc", "")
	if err != nil {
		return nil, err
	}
	pids, ok := parseOldWorkers(reply)
	if !ok {
		return nil, refused("show proc", reply)
	}
	var old []*visit
	for _, pid := range pids {
		l := h.line
		l.prefix = "@!" + strconv.Itoa(pid) + " "
		old = append(old, &visit{line: l})
	}
	return old, nil
}

// tellOld tells a worker that is about to go, if it has a place for r. That it
// has gone meanwhile, or had none, is no failure. It reports whether the worker
// does not answer: the master of 3.0 keeps who asks one that ends just then
// waiting for ever.
func (h *Hook) tellOld(ctx context.Context, v *visit, c hooks.Change, r *response) (gone bool) {
	err := v.set(ctx, r)
	if err != nil {
		h.log.Debug("old haproxy worker not told", "cert", c.Cert, "err", fmt.Errorf("worker %s: %w", strings.TrimSpace(v.prefix), err))
	}
	_, gone = errors.AsType[*deadError](err)
	return gone
}
