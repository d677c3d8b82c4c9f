package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

// office is a responder as companies have it: by https, for those who show a
// certificate and know a word. It notes what it is asked.
type office struct {
	url, ca, cert, key string // with the files of the CA and of the client
	plain              string // host:port without TLS, also as a proxy

	mu      sync.Mutex
	asked   []lab.Exchange
	here    int
	most    int // requests that were here at once
	full    bool
	crowded chan struct{} // closed when it is full
}

const (
	wordHeader = "X-Api-Key"
	word       = "sesame"

	// oneTooMany is how long the office waits for a request more than it is
	// to get at once.
	oneTooMany = 200 * time.Millisecond
)

// newOffice opens one for the certificates of the scene. It waits a while for
// more than limit requests at once.
func newOffice(s *scene, limit int) *office {
	s.t.Helper()
	o := &office{crowded: make(chan struct{})}
	responder, err := lab.NewResponder(lab.ResponderOptions{CA: s.pki.Intermediate, Backdate: time.Minute, EchoNonce: true, Observe: func(e lab.Exchange) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked = append(o.asked, e)
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(wordHeader) != word {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		o.enter(limit)
		responder.ServeHTTP(w, r)
		o.mu.Lock()
		o.here--
		o.mu.Unlock()
	})
	server, client := issueFor(s, s.pki, "127.0.0.1", "ocsp.example"), issueFor(s, s.pki, "client.example")
	roots := x509.NewCertPool()
	roots.AddCert(s.pki.Root.Certificate)
	o.url = serveTLS(s.t, handler, &tls.Config{
		Certificates: []tls.Certificate{server.TLS(nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	})
	o.plain = serve(s.t, handler)
	key, err := client.KeyPEM()
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	o.ca, o.cert, o.key = filepath.Join(dir, "root.pem"), filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	s.write(o.ca, s.pki.Root.CertPEM())
	s.write(o.cert, client.ChainPEM())
	s.write(o.key, key)
	return o
}

func (o *office) enter(limit int) {
	o.mu.Lock()
	o.here++
	o.most = max(o.most, o.here)
	if o.here > limit && !o.full {
		o.full = true
		close(o.crowded)
	}
	o.mu.Unlock()
	select {
	case <-o.crowded:
	case <-time.After(oneTooMany):
	}
}

func (o *office) exchanges() (all []lab.Exchange, most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked, o.most
}

func issueFor(s *scene, pki *lab.PKI, names ...string) *lab.Issued {
	s.t.Helper()
	issued, err := pki.Intermediate.Issue(lab.IssueOptions{Names: names, Responders: []string{}})
	if err != nil {
		s.t.Fatal(err)
	}
	return issued
}

func serveTLS(t *testing.T, h http.Handler, c *tls.Config) (url string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = c
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// forwarder is a proxy that leads every host to one address.
type forwarder struct {
	to   string // host:port
	user string // user:password that is demanded; "": none

	mu    sync.Mutex
	hosts []string
	certs int // shown by clients
}

func (f *forwarder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.hosts = append(f.hosts, r.Host)
	if r.TLS != nil {
		f.certs += len(r.TLS.PeerCertificates)
	}
	f.mu.Unlock()
	if f.user != "" && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(f.user)) {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		f.tunnel(w)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI, out.URL.Host = "", f.to
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func (f *forwarder) tunnel(w http.ResponseWriter) {
	there, err := net.Dial("tcp", f.to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
	_, _ = io.Copy(here, there)
}

func (f *forwarder) seen() (hosts []string, certs int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hosts, f.certs
}

func serve(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// readReport returns what refresh -o json has printed of each certificate, by
// file name.
func readReport(t *testing.T, out string) map[string]agent.Certificate {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	certs := make(map[string]agent.Certificate)
	for _, c := range r.Certificates {
		certs[filepath.Base(c.Path)] = c
	}
	return certs
}
