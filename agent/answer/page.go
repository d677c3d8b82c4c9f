package answer

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
)

// page is a staple ready to be sent. It must not be changed.
type page struct {
	*staple.Staple
	der []byte

	// As they stand in the header, which wants slices.
	length, etag, modified, expires []string

	passing bool // the answer to one request only
}

func newPage(s *staple.Staple) *page {
	sum := sha256.Sum256(s.DER())
	return &page{
		Staple:   s,
		der:      s.DER(),
		length:   []string{strconv.Itoa(len(s.DER()))},
		etag:     []string{`"` + hex.EncodeToString(sum[:16]) + `"`},
		modified: []string{s.ThisUpdate.UTC().Format(http.TimeFormat)},
		expires:  []string{s.Expires.UTC().Format(http.TimeFormat)},
	}
}

var (
	responseType = []string{"application/ocsp-response"}
	neverKept    = []string{"no-store"}
)

// send answers a request with a staple (RFC 9919 section 7.2).
func (p *page) send(w http.ResponseWriter, r *http.Request, now time.Time) (unchanged bool) {
	h := w.Header()
	if p.passing {
		h["Cache-Control"], h["Content-Type"], h["Content-Length"] = neverKept, responseType, p.length
		_, _ = w.Write(p.der) // the client has gone: nothing to do
		return false
	}
	h["Cache-Control"] = []string{"max-age=" + strconv.Itoa(p.maxAge(now)) + ", public, no-transform, must-revalidate"}
	h["Expires"], h["Etag"], h["Last-Modified"] = p.expires, p.etag, p.modified
	if r.Method != http.MethodPost && p.isCurrent(r.Header) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	h["Content-Type"], h["Content-Length"] = responseType, p.length
	_, _ = w.Write(p.der) // the client has gone: nothing to do
	return false
}

// maxAge is for how many seconds a cache need not ask again: up to when a newer
// one is asked for. After that there may be one at any time, so it is a quarter of
// what is left, and an hour at most.
func (p *page) maxAge(now time.Time) int {
	newer := schedule.MiddleAt(p.ThisUpdate, p.Expires)
	if p.NextUpdate.IsZero() {
		newer = p.ThisUpdate.Add(schedule.NoNextUpdateRefresh)
	}
	in := newer.Sub(now)
	if in <= 0 {
		in = min(time.Hour, p.Expires.Sub(now)/4)
	}
	return max(0, int(in/time.Second))
}

// isCurrent reports whether the client has the staple already (RFC 9110
// section 13.2.2).
func (p *page) isCurrent(h http.Header) bool {
	if tags := h["If-None-Match"]; len(tags) > 0 {
		for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == p.etag[0] || tag == "*" {
				return true
			}
		}
		return false
	}
	since, err := http.ParseTime(h.Get("If-Modified-Since"))
	return err == nil && !p.ThisUpdate.After(since)
}

// send answers a request without a staple.
func (s status) send(w http.ResponseWriter, code int) {
	h := w.Header()
	h["Cache-Control"], h["Content-Type"] = neverKept, responseType
	w.WriteHeader(code)
	_, _ = w.Write(s.der()) // the client has gone: nothing to do
}
