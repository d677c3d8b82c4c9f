package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/restaple/restaple/agent/config"
)

// standardError is where the log and the last words of a command go. Where that
// is systemd's journal, lines say how grave they are, as sd-daemon(3) has it:
// "journalctl -p err" finds those a person must act on.
func standardError() io.Writer {
	// An error is a JOURNAL_STREAM that systemd has not set.
	if ours, err := journal.StderrIsJournalStream(); err != nil || !ours {
		return os.Stderr
	}
	return &journalWriter{to: os.Stderr, priority: journal.PriErr}
}

// journalWriter begins each line with its priority. What a command says beside
// its log is why it ends: an error.
type journalWriter struct {
	to io.Writer

	mu       sync.Mutex
	priority journal.Priority
}

func (j *journalWriter) Write(b []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(b) {
		fmt.Fprintf(&out, "<%d>%s", j.priority, line)
	}
	if _, err := j.to.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// journalLog has lines of the log begin with the priority of their level.
type journalLog struct {
	slog.Handler // writes to lines
	lines        *journalWriter
}

// Handle implements slog.Handler.
func (j *journalLog) Handle(ctx context.Context, r slog.Record) error {
	j.lines.mu.Lock()
	defer j.lines.mu.Unlock()
	j.lines.priority = priorityOf(r.Level)
	return j.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (j *journalLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalLog{j.Handler.WithAttrs(attrs), j.lines}
}

// WithGroup implements slog.Handler.
func (j *journalLog) WithGroup(name string) slog.Handler {
	return &journalLog{j.Handler.WithGroup(name), j.lines}
}

func priorityOf(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

func newLog(w io.Writer, c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	j, toJournal := w.(*journalWriter)
	switch {
	case c.Format == config.FormatJSON && toJournal:
		return slog.New(slog.NewJSONHandler(j.to, o)) // for programs, which want nothing before it
	case c.Format == config.FormatJSON:
		return slog.New(slog.NewJSONHandler(w, o))
	case toJournal:
		lines := &journalWriter{to: j.to}
		return slog.New(&journalLog{slog.NewTextHandler(lines, o), lines})
	}
	return slog.New(slog.NewTextHandler(w, o))
}
