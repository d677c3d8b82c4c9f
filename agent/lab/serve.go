package lab

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const page = `<!DOCTYPE html>
<html><head><title>Welcome</title></head>
<body><h1>Welcome to the guest network</h1><p>Please accept our terms to continue.</p></body></html>
`

func serveBytes(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client has gone: nothing to do
}

func serveHalf(w http.ResponseWriter, _ *http.Request, rep reply, _ string) {
	serveBytes(w, "application/ocsp-response", rep.der[:len(rep.der)/2])
}

func serveGarbage(w http.ResponseWriter, _ *http.Request, rep reply, _ string) {
	garbage := make([]byte, len(rep.der))
	for i := range garbage {
		garbage[i] = byte(i*i + i>>3 + 7) // the same each time, and no DER
	}
	serveBytes(w, "application/ocsp-response", garbage)
}

func serveNothing(w http.ResponseWriter, _ *http.Request, _ reply, _ string) {
	serveBytes(w, "application/ocsp-response", nil)
}

func serveHTML(w http.ResponseWriter, _ *http.Request, _ reply, _ string) {
	serveBytes(w, "text/html; charset=utf-8", []byte(page))
}

func serveAsText(w http.ResponseWriter, _ *http.Request, rep reply, _ string) {
	serveBytes(w, "text/plain", rep.der)
}

func refuseGet(w http.ResponseWriter, q *http.Request, rep reply, _ string) {
	if q.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	serveReply(w, q, rep)
}

// redirectLoop answers with 307, which keeps a POST a POST.
func redirectLoop(w http.ResponseWriter, q *http.Request, _ reply, _ string) {
	w.Header().Set("Location", "/"+strings.TrimLeft(q.URL.EscapedPath(), "/"))
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func serveStatus(code int) func(http.ResponseWriter, *http.Request, reply, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ reply, retryAfter string) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, http.StatusText(code), code)
	}
}

func serveLate(w http.ResponseWriter, q *http.Request, rep reply, after string) {
	d, err := time.ParseDuration(after)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		serveReply(w, q, rep)
	case <-q.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// hang waits until the client gives up or the server ends.
func hang(_ http.ResponseWriter, q *http.Request, _ reply, _ string) {
	<-q.Context().Done()
	panic(http.ErrAbortHandler) // otherwise an empty 200 would be sent
}

// begin promises the whole response and gives half of it.
func begin(w http.ResponseWriter, rep reply) {
	w.Header().Set("Content-Type", "application/ocsp-response")
	w.Header().Set("Content-Length", strconv.Itoa(len(rep.der)))
	_, _ = w.Write(rep.der[:len(rep.der)/2]) // the client has gone: nothing to do
	_ = http.NewResponseController(w).Flush()
}

func stall(w http.ResponseWriter, q *http.Request, rep reply, _ string) {
	begin(w, rep)
	<-q.Context().Done()
	panic(http.ErrAbortHandler)
}

func cut(w http.ResponseWriter, _ *http.Request, rep reply, _ string) {
	begin(w, rep)
	panic(http.ErrAbortHandler)
}

// reset ends the connection with RST instead of FIN.
func reset(w http.ResponseWriter, _ *http.Request, _ reply, _ string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 has streams to reset
	}
	inner := conn
	if t, ok := conn.(*tls.Conn); ok {
		inner = t.NetConn()
	}
	if tcp, ok := inner.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = inner.Close()
}
