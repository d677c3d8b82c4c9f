package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/restaple/restaple/agent/config"
)

// demoLog takes the agent's log, for the moments that nothing outside the agent
// shows as exactly. All of it is passed on.
type demoLog struct {
	slog.Handler
	cert string // that everything here is about
	said *sayings
}

// What demoLog listens for.
const (
	saidFound     = "certificate found"
	saidRenewed   = "certificate renewed"
	saidPlaced    = "staple placed"
	saidWithdrawn = "staple withdrawn"
)

// sayings are the times at which the log last said something of a certificate.
type sayings struct {
	mu sync.Mutex
	at map[[2]string]time.Time // by message and path
}

// newDemoLog returns a log that is passed on to w; nil: nowhere.
func newDemoLog(w io.Writer) *demoLog {
	l := &demoLog{Handler: slog.DiscardHandler, said: &sayings{at: make(map[[2]string]time.Time)}}
	if w != nil {
		l.Handler = newLog(w, config.Log{Format: config.FormatText, Level: slog.LevelDebug}).Handler()
	}
	return l
}

// saidAt returns when something was last said of a certificate.
func (l *demoLog) saidAt(message, path string) time.Time {
	l.said.mu.Lock()
	defer l.said.mu.Unlock()
	return l.said.at[[2]string{message, path}]
}

// Enabled implements slog.Handler.
func (l *demoLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l *demoLog) Handle(ctx context.Context, r slog.Record) error {
	cert := l.cert
	r.Attrs(func(a slog.Attr) bool {
		cert = certOr(a, cert)
		return true
	})
	l.said.mu.Lock()
	switch r.Message {
	case saidFound, saidRenewed, saidPlaced, saidWithdrawn:
		l.said.at[[2]string{r.Message, cert}] = r.Time
	}
	l.said.mu.Unlock()
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *demoLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	cert := l.cert
	for _, a := range attrs {
		cert = certOr(a, cert)
	}
	return &demoLog{l.Handler.WithAttrs(attrs), cert, l.said}
}

// WithGroup implements slog.Handler.
func (l *demoLog) WithGroup(name string) slog.Handler {
	return &demoLog{l.Handler.WithGroup(name), l.cert, l.said}
}

func certOr(a slog.Attr, cert string) string {
	if a.Key == "cert" {
		return a.Value.String()
	}
	return cert
}
