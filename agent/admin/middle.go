package admin

import (
	"compress/gzip"
	"net/http"
	"strings"
)

// atMost lets so many requests through at a time; the others wait.
func atMost(n int) func(http.Handler) http.Handler {
	tokens := make(chan struct{}, n)
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case tokens <- struct{}{}:
				defer func() { <-tokens }()
				h.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
	}
}

// compressed sends large answers with gzip to those who take it: ten thousand
// rows are a tenth of their size then.
func compressed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is one there is
		h.ServeHTTP(&gzipWriter{w, z}, r)
		_ = z.Close() // the reader is gone
	})
}

// acceptsGzip reports whether an Accept-Encoding names gzip with a weight above
// zero.
func acceptsGzip(accept string) bool {
	for coding := range strings.SplitSeq(accept, ",") {
		name, weight, weighted := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(name, "gzip") {
			return !weighted || strings.Trim(weight, "q=0. ") != ""
		}
	}
	return false
}

type gzipWriter struct {
	http.ResponseWriter
	z *gzip.Writer
}

// Write implements http.ResponseWriter.
func (g *gzipWriter) Write(p []byte) (int, error) { return g.z.Write(p) }
