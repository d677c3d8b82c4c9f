package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/answer"
)

const (
	// mostConnections keeps those who watch from using up the files that
	// the agent may have open.
	mostConnections = 64

	// mostLarge is how many answers that list all certificates are made at
	// a time.
	mostLarge = 4

	// idleTime is how long a connection may say nothing and hold a place:
	// while all are held, a probe waits, and whoever probes restarts what
	// does not answer.
	idleTime = 3 * time.Second

	// shutdownGrace is how long answers may go on after Serve is told to
	// stop.
	shutdownGrace = 2 * time.Second
)

// Options is what a Server works with. All of it is required.
type Options struct {
	Metrics *Metrics
	Version string // of restaple, for the page
	Log     *slog.Logger
}

// Server shows one agent after another. It outlives them, and may be served
// on one listener after another.
type Server struct {
	o              Options
	shots          *snapshots
	ready          atomic.Bool
	perCertificate atomic.Bool
	answers        atomic.Pointer[answers]
}

// New returns a server that shows no agent yet. There is one for Metrics.
func New(o Options) *Server {
	s := &Server{o: o, shots: newSnapshots()}
	o.Metrics.registry.MustRegister(newCollector(s))
	return s
}

// SetSource shows another agent from now on; perCertificate says whether each
// of its certificates has metrics of its own.
func (s *Server) SetSource(src Source, perCertificate bool) {
	s.shots.setSource(src)
	s.perCertificate.Store(perCertificate)
	if src != nil {
		s.o.Metrics.expect(src.Hooks())
	}
}

// answers is what there is to say of the OCSP requests that are answered.
type answers struct {
	counts func() answer.Counts
	asks   []agent.Ask
}

// SetAnswers shows from now on what counts says of the OCSP requests that are
// answered, and who is asked about them, beside those who are about certificates;
// nil: none are.
func (s *Server) SetAnswers(counts func() answer.Counts, asks ...agent.Ask) {
	if counts == nil {
		s.answers.Store(nil)
		return
	}
	s.answers.Store(&answers{counts, asks})
}

// answered returns the counts as they are now, or nil.
func (s *Server) answered() *answer.Counts {
	a := s.answers.Load()
	if a == nil {
		return nil
	}
	c := a.counts()
	return &c
}

// asks returns who is asked beside those who are about certificates.
func (s *Server) asks() []agent.Ask {
	if a := s.answers.Load(); a != nil {
		return a.asks
	}
	return nil
}

// Ready notes that the first pass is over; it is for agent.Options. It stays
// so when another agent takes over: the staples are in place.
func (s *Server) Ready() { s.ready.Store(true) }

// Serve answers at l until ctx is done, and closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s.handler(l.Addr()),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(netutil.LimitListener(l, mostConnections)) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), shutdownGrace, errors.New("answers took too long"))
	defer cancel()
	if h.Shutdown(grace) != nil {
		_ = h.Close() // who still reads is cut off
	}
	<-ended
	return nil
}
