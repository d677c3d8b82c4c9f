package lab

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// issuerPath is where a responder gives out its CA's certificate, for
	// AIA id-ad-caIssuers. A request in base64 has no dot.
	issuerPath = "/issuer.cer"

	maxRequest   = 64 << 10
	shutdownTime = 2 * time.Second
	headerTime   = 10 * time.Second
)

// ServeHTTP answers one OCSP request.
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == issuerPath {
		w.Header().Set("Content-Type", "application/pkix-cert") // RFC 2585 section 4
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(r.o.CA.Certificate.Raw))
		return
	}
	r.received.Add(1)
	der, status := requestDER(w, req)
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	q, rep, err := r.answer(der, time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.observe(req, der, q, rep)
	if rep.fault != "" {
		k, parameter, err := rep.fault.find()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if k.serve != nil {
			k.serve(w, req, rep, parameter)
			return
		}
	}
	serveReply(w, req, rep)
}

func (r *Responder) observe(req *http.Request, der []byte, q request, rep reply) {
	if r.o.Observe == nil {
		return
	}
	e := Exchange{Request: req, DER: der, Nonce: q.nonce, Answer: rep.answer, Fault: rep.fault}
	for i, id := range q.ids {
		if i == 0 {
			e.Hash = id.hash
		}
		e.Serials = append(e.Serials, SerialText(id.serial))
	}
	r.o.Observe(e)
}

// requestDER takes the OCSP request out of the HTTP request.
func requestDER(w http.ResponseWriter, req *http.Request) (der []byte, status int) {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return decodeGET(req.URL), http.StatusOK
	case http.MethodPost:
		if req.Header.Get("Content-Type") != "application/ocsp-request" {
			return nil, http.StatusUnsupportedMediaType
		}
		der, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxRequest))
		if err != nil {
			return nil, http.StatusRequestEntityTooLarge
		}
		return der, http.StatusOK
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	return nil, http.StatusMethodNotAllowed
}

// decodeGET returns the request in a URL's path (RFC 6960 appendix A.1), or
// nil. What precedes it is the responder's own path, which may look like
// base64 too, and base64 that was not escaped has slashes: so every suffix is
// tried, the longest first.
func decodeGET(u *url.URL) []byte {
	path := strings.TrimLeft(u.Path, "/")
	for {
		der, err := base64.StdEncoding.DecodeString(path)
		if err == nil {
			if _, err := parseRequest(der); err == nil {
				return der
			}
		}
		_, rest, ok := strings.Cut(path, "/")
		if !ok {
			return nil
		}
		path = rest
	}
}

// serveReply answers as it should be done (RFC 9919 section 7).
func serveReply(w http.ResponseWriter, req *http.Request, rep reply) {
	h := w.Header()
	h.Set("Content-Type", "application/ocsp-response")
	if rep.etag == "" || req.Method == http.MethodPost {
		h.Set("Content-Length", strconv.Itoa(len(rep.der)))
		_, _ = w.Write(rep.der) // the client has gone: nothing to do
		return
	}
	age := int(time.Until(rep.renewAt) / time.Second)
	h.Set("Cache-Control", fmt.Sprintf("max-age=%d, public, no-transform, must-revalidate", max(age, 0)))
	h.Set("ETag", rep.etag)
	if !rep.nextUpdate.IsZero() {
		h.Set("Expires", rep.nextUpdate.UTC().Format(http.TimeFormat))
	}
	http.ServeContent(w, req, "", rep.producedAt, bytes.NewReader(rep.der))
}

// Serve answers on the listener until ctx is done, and closes it. Requests
// that hang by intention end with it.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler:           h,
		ErrorLog:          log.New(io.Discard, "", 0), // what clients do wrong is their own business
		ReadHeaderTimeout: headerTime,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// Not a child of ctx, which is done.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		err := s.Shutdown(grace)
		if err != nil {
			err = s.Close() // not all clients let go in time: end them
		}
		stopped <- err
	})
	err := s.Serve(l)
	if stop() {
		return fmt.Errorf("serve OCSP: %w", err) // it ended by itself
	}
	shut := <-stopped
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve OCSP: %w", err)
	}
	return shut
}
