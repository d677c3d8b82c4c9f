package answer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

const (
	maxConnections = 4096
	maxOfOneClient = maxConnections / 2
	maxHeader      = 16 << 10 // with the request in the URL it is below 1 KiB
	headerTime     = 5 * time.Second
	readTime       = 10 * time.Second
	writeTime      = 30 * time.Second // more than it takes to ask a responder
	idleTime       = 30 * time.Second
	shutdownTime   = 2 * time.Second
)

// Serve serves a handler on a listener until ctx is done, with limits on time
// and size that are enough for any OCSP client. It closes the listener.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // of what clients do wrong
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(netutil.LimitListener(newPerClient(l, maxOfOneClient), maxConnections)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// The answers that are on their way may go out.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := s.Shutdown(last); err != nil {
		s.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
