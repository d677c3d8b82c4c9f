package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/restaple/restaple/hooks"
)

// demoServer is a TLS server of the trusting kind: it reads certificates and
// staple files when it starts and when its reload hook is run, checks neither,
// and serves what it has read until the next reload.
type demoServer struct {
	address string
	sites   []*demoSite

	mu      sync.Mutex
	serving map[string]*tls.Certificate // by server name
	reloads []demoReload
}

// demoReload is one call of the hook.
type demoReload struct {
	at      time.Time
	changes []hooks.Change
}

// openServer starts the TLS server.
func (d *demo) openServer() error {
	s := &demoServer{sites: d.sites, serving: make(map[string]*tls.Certificate)}
	for _, site := range d.sites {
		if err := s.read(site); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.address = l.Addr().String()
	d.server = s
	web := &http.Server{
		Handler:           s,
		TLSConfig:         &tls.Config{GetCertificate: s.certificate},
		ReadHeaderTimeout: demoHandshakeTimeout,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, 0), // of clients that go away
	}
	d.start("TLS server", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = web.Close() }) // only the listener could fail to close
		defer stop()
		return web.ServeTLS(l, "", "")
	})
	return nil
}

// ServeHTTP is for people who come with a browser or curl.
func (s *demoServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "This is the TLS server of restaple demo; the staple was in the handshake.\n")
}

// read reads the files of a site.
func (s *demoServer) read(site *demoSite) error {
	bundle, err := os.ReadFile(site.path)
	if err != nil {
		return err
	}
	cert, err := tls.X509KeyPair(bundle, bundle)
	if err != nil {
		return fmt.Errorf("%s: %w", site.path, err)
	}
	cert.OCSPStaple, err = os.ReadFile(site.stapleFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving[site.name] = &cert
	return nil
}

// Deliver implements hooks.Action: the server reads again what has changed.
func (s *demoServer) Deliver(_ context.Context, changes []hooks.Change) error {
	for _, site := range s.sites {
		changed := func(c hooks.Change) bool { return c.Cert == site.path }
		if len(changes) > 0 && !slices.ContainsFunc(changes, changed) {
			continue
		}
		if err := s.read(site); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reloads) >= demoMemory {
		s.reloads = append(s.reloads[:0], s.reloads[1:]...)
	}
	s.reloads = append(s.reloads, demoReload{time.Now(), changes})
	return nil
}

// told returns the first reload after some time which was about an event of a
// site, or nil.
func (s *demoServer) told(site *demoSite, event hooks.Event, after time.Time) *demoReload {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.reloads {
		about := func(c hooks.Change) bool { return c.Cert == site.path && c.Event == event }
		if r.at.After(after) && slices.ContainsFunc(r.changes, about) {
			return &r
		}
	}
	return nil
}

// certificate implements tls.Config.GetCertificate.
func (s *demoServer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.serving[hello.ServerName]; c != nil {
		return c, nil
	}
	return s.serving[s.sites[0].name], nil
}
