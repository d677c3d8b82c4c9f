package admin

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed assets
var assets embed.FS

// handler answers at a listener with the address at.
func (s *Server) handler(at net.Addr) http.Handler {
	mux := http.NewServeMux()
	large := atMost(mostLarge)
	mux.Handle("GET /{$}", large(compressed(http.HandlerFunc(s.page))))
	mux.Handle("GET /api/status", large(compressed(http.HandlerFunc(s.status))))
	mux.Handle("GET /app.js", asset("app.js", "text/javascript; charset=utf-8"))
	mux.Handle("GET /style.css", asset("style.css", "text/css; charset=utf-8"))
	mux.Handle("GET /icon.svg", asset("icon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Metrics.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.o.Log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError, // one bad series must not hide the others
		MaxRequestsInFlight: mostLarge,
	}))
	rescan, refresh := http.Handler(http.HandlerFunc(s.rescan)), http.Handler(http.HandlerFunc(s.refresh))
	if !isSocket(at) {
		rescan, refresh = http.HandlerFunc(onSocketOnly), http.HandlerFunc(onSocketOnly)
	}
	mux.Handle("POST /api/rescan", rescan)
	mux.Handle("POST /api/refresh", refresh)
	return guarded(at, mux)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	shot, err := s.shots.get(r.Context())
	if err != nil {
		unavailable(w, err)
		return
	}
	report := shot.report()
	report.Answers, report.Asks = s.answered(), s.asks()
	reply(w, http.StatusOK, report)
}

func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	src, _ := s.shots.current()
	ctx, cancel := context.WithTimeoutCause(r.Context(), snapshotTimeout, errHangs)
	defer cancel()
	if src != nil {
		if _, alive := src.Tally(ctx); !alive {
			unavailable(w, errHangs)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "the first pass is not over", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

// asset serves a file of the page.
func asset(name, contentType string) http.Handler {
	content, err := assets.ReadFile("assets/" + name)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err != nil {
			http.NotFound(w, r) // a test sees to it that it is there
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content) // the reader is gone
	})
}

func unavailable(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

// reply sends v as JSON for people and machines.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the reader is gone
}
