package answer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

const (
	maxConnections = 4096
	maxHeader      = 16 << 10 // with the request in the URL it is below 1 KiB
	headerTime     = 5 * time.Second
	readTime       = 10 * time.Second
	writeTime      = 30 * time.Second // more than it takes to ask a responder
	idleTime       = 30 * time.Second
	shutdownTime   = 2 * time.Second
)

// mostConnections is how many connections a listener may have: a quarter of the
// descriptors of the process, so that it can still open staples and ask
// responders when all of them are in use.
func mostConnections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return maxConnections
	}
	return int(max(2, min(uint64(limit.Cur)/4, maxConnections)))
}

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
	most := mostConnections()
	limited := netutil.LimitListener(newPerClient(l, most/2), most)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(limited) }()
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
