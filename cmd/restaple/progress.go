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
	handled := p.Done + p.Failed
	line := fmt.Sprintf("%d of %d certificates", handled, p.Found)
	if p.Failed > 0 {
		line += fmt.Sprintf(", %d not well", p.Failed)
	}
	if rate := float64(handled) / spent.Seconds(); rate > 0 {
		line += fmt.Sprintf(", %.0f/s", rate)
		if rest := p.Found - handled; rest > 0 {
			line += ", " + span(time.Duration(float64(rest)/rate*float64(time.Second))) + " left"
		}
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

// logEvery is how often a long pass says in the log how far it has come.
const logEvery = 5 * time.Second

// logProgress returns a function that does so, for passes nobody watches.
func logProgress(log *slog.Logger) func(agent.Progress) {
	start := time.Now()
	last := start
	return func(p agent.Progress) {
		now := time.Now()
		if now.Sub(last) < logEvery {
			return
		}
		last = now
		handled := p.Done + p.Failed
		log.Info("pass goes on", "done", handled, "of", p.Found, "failed", p.Failed,
			"per_second", int(float64(handled)/now.Sub(start).Seconds()))
	}
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
