package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/restaple/restaple/agent"
)

const (
	// startPatience is how long servers that are ordered after restaple wait
	// for its first pass. One responder that hangs must not keep them down.
	startPatience = time.Minute

	// statusEvery is how often the status line is looked at.
	statusEvery = 10 * time.Second
)

// notifier tells systemd how the daemon stands (sd_notify(3)). A nil one tells
// nobody.
type notifier struct {
	every    time.Duration // between two looks
	patience time.Duration // before the daemon says it is ready anyway
	watchdog bool
	passed   chan struct{} // the first pass of an agent is over
	said     string        // the last status line
}

// newNotifier returns a notifier, or nil if nobody wants to be told.
func newNotifier() *notifier {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	n := &notifier{every: statusEvery, patience: startPatience, passed: make(chan struct{}, 1)}
	// An error is a WATCHDOG_USEC that systemd has not set.
	if limit, err := systemd.SdWatchdogEnabled(false); err == nil && limit > 0 {
		n.watchdog = true
		n.every = min(n.every, limit/3)
	}
	return n
}

// attach has the agent that is made with o say when its first pass is over.
func (n *notifier) attach(o *agent.Options) {
	if n == nil {
		return
	}
	o.Ready = func() {
		select {
		case n.passed <- struct{}{}:
		default:
		}
	}
}

// follow says that the daemon is ready once a's first pass is over, and then
// how its certificates stand, until the function it returns is called.
func (n *notifier) follow(ctx context.Context, a *agent.Agent) (end func()) {
	if n == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { n.watch(ctx, a) })
	return func() {
		cancel()
		follower.Wait()
	}
}

// watch is follow's goroutine. While the loop of a is stuck it says nothing,
// and the watchdog bites.
func (n *notifier) watch(ctx context.Context, a *agent.Agent) {
	n.said = "first pass"
	n.tell("STATUS=" + n.said)
	patience := time.NewTimer(n.patience)
	defer patience.Stop()
	tick := time.NewTicker(n.every)
	defer tick.Stop()
	for {
		ready := ""
		select {
		case <-ctx.Done():
			return
		case <-n.passed:
			ready = systemd.SdNotifyReady
			patience.Stop()
		case <-patience.C:
			ready = systemd.SdNotifyReady
		case <-tick.C:
		}
		tally, ok := a.Tally(ctx)
		if !ok {
			return
		}
		n.report(ready, statusLine(tally))
	}
}

// report tells what is new.
func (n *notifier) report(ready, status string) {
	var lines []string
	if ready != "" {
		lines = append(lines, ready)
	}
	if n.watchdog {
		lines = append(lines, systemd.SdNotifyWatchdog)
	}
	if status != n.said {
		lines = append(lines, "STATUS="+status)
		n.said = status
	}
	n.tell(lines...)
}

// reloading says that the configuration is being read again; reloaded has to
// follow.
func (n *notifier) reloading() {
	// Type=notify-reload wants the time, to tell answers to two reloads apart.
	n.tell(systemd.SdNotifyReloading, strings.TrimSpace(systemd.SdNotifyMonotonicUsec()))
}

// reloaded says that a configuration is in force: the new one, or the old one
// if the new one was wrong.
func (n *notifier) reloaded() { n.tell(systemd.SdNotifyReady) }

func (n *notifier) tell(lines ...string) {
	if n == nil || len(lines) == 0 {
		return
	}
	// That nobody listens is no reason not to keep staples fresh.
	_, _ = systemd.SdNotify(false, strings.Join(lines, "\n"))
}

// statusLine is what `systemctl status` shows: "312 fresh, 0 failing", and
// what else there is.
func statusLine(t agent.Tally) string {
	line := fmt.Sprintf("%d %s, %d failing", t.States[agent.Fresh], agent.Fresh, t.Failing)
	var others []string
	for _, s := range agent.States() {
		if n := t.States[s]; n > 0 && s != agent.Fresh {
			others = append(others, fmt.Sprintf("%d %s", n, s))
		}
	}
	if len(others) > 0 {
		line += " (" + strings.Join(others, ", ") + ")"
	}
	return line
}
