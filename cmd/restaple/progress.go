package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/admin"
)

// counter is a line on a terminal that says how far a long pass has come.
type counter struct {
	w     io.Writer
	start time.Time
	mu    sync.Mutex // the log comes from several goroutines
	shown bool
}

// quietFor is how long a pass may take before it is worth a line.
const quietFor = 500 * time.Millisecond

// newCounter returns a counter if w is a terminal, else nil.
func newCounter(w io.Writer) *counter {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &counter{w: w, start: time.Now()}
}

// show draws the line anew.
func (c *counter) show(p agent.Progress) {
	spent := time.Since(c.start)
	if spent < quietFor || p.Found == 0 {
		return
	}
	handled, rate, left := pace(p, spent)
	line := fmt.Sprintf("%d of %d certificates", handled, p.Found)
	if p.Failed > 0 {
		line += fmt.Sprintf(", %d not well", p.Failed)
	}
	if rate > 0 {
		line += fmt.Sprintf(", %.0f/s", rate)
	}
	if left > 0 {
		line += ", " + admin.Span(left) + " left"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shown = true
	fmt.Fprintf(c.w, "\r\x1b[K%s", line)
}

// Write takes the line away for a moment, so that the log and the counter do
// not run into each other.
func (c *counter) Write(p []byte) (int, error) {
	c.end()
	return c.w.Write(p)
}

// logEvery is how often a long pass says in the log how far it has come: the
// agent is to tell its progress as often.
const logEvery = 5 * time.Second

// logProgress returns a function that does so, for passes nobody watches. The
// pass begins when it is called first.
func logProgress(log *slog.Logger) func(agent.Progress) {
	var start time.Time
	return func(p agent.Progress) {
		if start.IsZero() {
			start = time.Now()
			return
		}
		handled, rate, left := pace(p, time.Since(start))
		attrs := []any{"done", handled, "of", p.Found, "failed", p.Failed, "per_second", int(rate)}
		if left > 0 {
			attrs = append(attrs, "seconds_left", int(left.Seconds()))
		}
		log.Info("pass goes on", attrs...)
	}
}

// pace says how many certificates have been dealt with, how many that is in a
// second, and how long the others will take at that rate; 0: nobody knows.
func pace(p agent.Progress, spent time.Duration) (handled int, rate float64, left time.Duration) {
	handled = p.Done + p.Failed
	if handled == 0 || spent <= 0 {
		return handled, 0, 0
	}
	rate = float64(handled) / spent.Seconds()
	return handled, rate, time.Duration(float64(p.Found-handled) / rate * float64(time.Second))
}

// end takes the line away.
func (c *counter) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown {
		fmt.Fprint(c.w, "\r\x1b[K")
		c.shown = false
	}
}
