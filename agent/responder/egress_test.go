package responder

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// forwardProxy is an HTTP proxy that leads every host to one address.
type forwardProxy struct {
	to    string // host:port
	auth  string // Proxy-Authorization that is demanded; "": none
	hosts []string
}

func (p *forwardProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.hosts = append(p.hosts, r.Host)
	if r.Header.Get("Proxy-Authorization") != p.auth {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		p.tunnel(w)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI, out.URL.Host = "", p.to
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(out)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func (p *forwardProxy) tunnel(w http.ResponseWriter) {
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
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

func fixed(t *testing.T, proxy, noProxy string) Proxy {
	t.Helper()
	p, err := FixedProxy(proxy, noProxy)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func address(url string) string { _, a, _ := strings.Cut(url, "://"); return a }

func TestProxyForHTTP(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	p := &forwardProxy{to: address(w.url), auth: "Basic dTpodW50ZXIy"}
	at := serve(t, p)
	// The proxy is on loopback, which the guard refuses to certificates and
	// not to operators.
	g := NewGuard(GuardOptions{})
	withPassword := strings.Replace(at, "://", "://u:hunter2@", 1)
	q := Query{URL: "http://ocsp.example/", Chain: w.chain}

	a := ask(t, newClient(t, Options{Guard: g, Proxy: fixed(t, withPassword, "")}), q)
	if _, ok := outerStatus(a.DER); !ok || p.hosts[0] != "ocsp.example" {
		t.Errorf("got %x by way of %v", a.DER, p.hosts)
	}
	e := askError(t, newClient(t, Options{Guard: g, Proxy: fixed(t, at, "")}), q, KindProxy)
	if e.Status != http.StatusProxyAuthRequired {
		t.Errorf("without the password: got status %d", e.Status)
	}
	w.fault(t, "404")
	askError(t, newClient(t, Options{Guard: g, Proxy: fixed(t, withPassword, "")}), q, KindHTTP)

	// What stands in the URL the guard sees even so.
	for _, q.URL = range []string{"http://169.254.169.254/", "http://0xa9fea9fe/", "http://localhost./"} {
		askError(t, newClient(t, Options{Guard: g, Proxy: fixed(t, withPassword, "")}), q, KindRefused)
	}
}

func TestProxyOfAnEgressGoesBeforeTheClients(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	p := &forwardProxy{to: address(w.url)}
	own := &Egress{Proxy: fixed(t, serve(t, p), "")}
	c := newClient(t, Options{Egress: func(host string) *Egress {
		if host == "ocsp.example:8080" {
			return own
		}
		return nil
	}})
	ask(t, c, Query{URL: "http://ocsp.example:8080/x", Chain: w.chain})
	ask(t, c, w.query())
	if len(p.hosts) != 1 {
		t.Errorf("by way of the proxy: %v, want ocsp.example:8080 alone", p.hosts)
	}
}

// A SOCKS proxy that wants to know who asks has no method for those who say
// nothing (RFC 1928 section 3).
func TestSOCKSProxyThatRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := io.ReadFull(conn, make([]byte, 3)); err == nil { // version, one method, none
			_, _ = conn.Write([]byte{5, 0xff})
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	c := newClient(t, Options{Proxy: fixed(t, "socks5://"+l.Addr().String(), "")})
	e := askError(t, c, Query{URL: "http://ocsp.example/", Chain: testChain(t)}, KindProxy)
	if !strings.Contains(e.Error(), "authentication") {
		t.Errorf("got %q, want why", e)
	}
}

func TestProxyThatIsNotThere(t *testing.T) {
	at := "http://u:hunter2@" + nobody
	for _, scheme := range []string{"http", "https"} {
		q := Query{URL: scheme + "://ocsp.example/", Chain: testChain(t)}
		e := askError(t, newClient(t, Options{Proxy: fixed(t, at, "")}), q, KindProxy)
		if strings.Contains(e.Error(), "hunter2") {
			t.Errorf("the error has the password: %v", e)
		}
	}
}

func TestProxySettings(t *testing.T) {
	for _, bad := range []string{"", "proxy:3128", "ftp://proxy/", "http://", "http://u:hunter2@pro xy/"} {
		_, err := FixedProxy(bad, "")
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	proxied := func(p Proxy, raw string) bool {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		via, err := p(u)
		if err != nil {
			t.Fatal(err)
		}
		return via != nil
	}
	p := fixed(t, "http://proxy.example:3128", "intra.example,10.0.0.0/8")
	for raw, want := range map[string]bool{
		"http://ocsp.example/": true, "https://ocsp.example/": true,
		"http://ocsp.intra.example/": false, "http://10.1.2.3/": false,
	} {
		if got := proxied(p, raw); got != want {
			t.Errorf("%s by proxy: got %v, want %v", raw, got, want)
		}
	}
	t.Setenv("http_proxy", "http://proxy.example:3128")
	t.Setenv("NO_PROXY", "intra.example")
	p = EnvironmentProxy()
	if !proxied(p, "http://ocsp.example/") || proxied(p, "http://intra.example/") {
		t.Error("the environment does not count")
	}

	t.Setenv("http_proxy", "http://u:hunter2@pro xy/")
	e := askError(t, newClient(t, Options{Proxy: EnvironmentProxy()}), Query{URL: "http://ocsp.example/", Chain: testChain(t)}, KindProxy)
	if strings.Contains(e.Error(), "hunter2") {
		t.Errorf("the error has the password: %v", e)
	}
}

// tlsWorld is a responder with https, which knows its clients by certificate.
func tlsWorld(t *testing.T) (w *world, at string, trust *tls.Config) {
	t.Helper()
	w = newWorld(t, lab.ResponderOptions{})
	server, err := w.issued.Issuer.Issue(lab.IssueOptions{Names: []string{"ocsp.example", "127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := w.issued.Issuer.Issue(lab.IssueOptions{Names: []string{"client.example"}, Change: func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.issued.Issuer.Parent.Certificate)
	s := httptest.NewUnstartedServer(w.responder)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{server.TLS(nil)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return w, s.URL, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client.TLS(nil)}}
}

func TestHTTPSWithItsOwnCAAndClientCertificate(t *testing.T) {
	w, at, trust := tlsWorld(t)
	q := Query{URL: at, Chain: w.chain}
	way := func(c *tls.Config) *Client {
		e := &Egress{TLS: c}
		return newClient(t, Options{Egress: func(string) *Egress { return e }})
	}
	ask(t, way(trust), q)

	askError(t, newClient(t, Options{}), q, KindTLS) // unknown CA
	askError(t, way(&tls.Config{RootCAs: trust.RootCAs}), q, KindTLS)
	q.URL = strings.Replace(at, "127.0.0.1", "localhost", 1) // not in the certificate
	askError(t, way(trust), q, KindTLS)
	q.URL = strings.Replace(w.url, "http:", "https:", 1) // no TLS there
	askError(t, way(trust), q, KindTLS)
}

func TestHTTPSThroughAProxy(t *testing.T) {
	w, at, trust := tlsWorld(t)
	p := &forwardProxy{to: address(at), auth: "Basic dTpw"}
	proxy := serve(t, p)
	e := &Egress{TLS: trust, Proxy: fixed(t, strings.Replace(proxy, "://", "://u:p@", 1), "")}
	q := Query{URL: "https://ocsp.example/", Chain: w.chain}
	ask(t, newClient(t, Options{Egress: func(string) *Egress { return e }}), q)

	e = &Egress{TLS: trust, Proxy: fixed(t, proxy, "")}
	got := askError(t, newClient(t, Options{Egress: func(string) *Egress { return e }}), q, KindProxy)
	if got.Status != http.StatusProxyAuthRequired {
		t.Errorf("without the password: got status %d (%v)", got.Status, got)
	}
}

func TestEgressHeaders(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	e := &Egress{Header: http.Header{"x-tenant": {"7"}, "User-Agent": {"theirs"}, "Host": {"ocsp.example"}}}
	c := newClient(t, Options{Egress: func(string) *Egress { return e }})
	ask(t, c, w.query())
	r := w.last(t).Request
	if r.Header.Get("X-Tenant") != "7" || r.UserAgent() != "theirs" || r.Host != "ocsp.example" {
		t.Errorf("got %v, host %s", r.Header, r.Host)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	closed := make(chan struct{}, 8)
	s := httptest.NewUnstartedServer(w.responder)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	defer s.Close()
	q := w.query()
	q.URL = s.URL
	c := newClient(t, Options{})
	ask(t, c, q)
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-closed:
	case <-ctx.Done():
		t.Error("the connection is still open")
	}
}
