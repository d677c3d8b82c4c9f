package responder

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Proxy returns the proxy for a URL, or nil for none.
type Proxy func(*url.URL) (*url.URL, error)

// EnvironmentProxy goes by HTTP_PROXY, HTTPS_PROXY and NO_PROXY as they are
// now.
func EnvironmentProxy() Proxy { return httpproxy.FromEnvironment().ProxyFunc() }

// NoProxy is a Proxy that asks every responder directly.
func NoProxy(*url.URL) (*url.URL, error) { return nil, nil }

// FixedProxy is a Proxy for everything but what noProxy lists, in the syntax of
// NO_PROXY. Without a list not even loopback addresses are asked directly.
// Schemes are http, https, socks5 and socks5h. The error never holds proxy,
// for there may be a password in it.
func FixedProxy(proxy, noProxy string) (Proxy, error) {
	u, err := url.Parse(proxy)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("the proxy is not a URL like http://proxy.example:3128")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("proxy scheme %q is not http, https or socks5", u.Scheme)
	}
	if noProxy == "" {
		return func(*url.URL) (*url.URL, error) { return u, nil }, nil
	}
	return (&httpproxy.Config{HTTPProxy: proxy, HTTPSProxy: proxy, NoProxy: noProxy}).ProxyFunc(), nil
}

// Egress is the way to one responder, or to several.
type Egress struct {
	Proxy  Proxy       // nil: the client's
	Header http.Header // added to each request to the responder itself
	TLS    *tls.Config // for https responders; nil: the system's roots

	ConnectTimeout time.Duration // 0: the client's
	Timeout        time.Duration // 0: the client's
	InFlight       int           // most requests to one responder at once; 0: 32
}

// route is an Egress with its connections. There are three pools, so that a
// connection that the guard did not have to pass is never used again for a
// request that the guard has to judge.
type route struct {
	egress  *Egress
	proxy   Proxy
	timeout time.Duration

	guarded *http.Transport // to addresses that the guard let through
	trusted *http.Transport // to hosts that the operator named
	proxied *http.Transport // to proxies, which the operator named
}

// usualInFlight is as many as a lane and the lanes together have in flight if
// nobody says otherwise. As many connections are kept: with fewer they would be
// closed and opened all the time.
const (
	usualInFlight    = 32
	usualInFlightAll = 256
)

func newRoute(e *Egress, o *Options) *route {
	r := &route{egress: e, proxy: o.Proxy, timeout: o.Timeout}
	if e.Proxy != nil {
		r.proxy = e.Proxy
	}
	if e.Timeout > 0 {
		r.timeout = e.Timeout
	}
	connect := o.ConnectTimeout
	if e.ConnectTimeout > 0 {
		connect = e.ConnectTimeout
	}
	open := &net.Dialer{Timeout: connect, Resolver: o.Resolver} // the timeout covers DNS and the handshake of TCP
	guarded := &net.Dialer{Timeout: connect, Resolver: o.Resolver, ControlContext: control(o.Guard)}

	idle := cmp.Or(max(0, e.InFlight), usualInFlight)
	r.guarded = newTransport(guarded, e.TLS, connect, idle)
	r.trusted = newTransport(open, e.TLS, connect, idle)
	// To a proxy, the connections of all responders are to one host.
	r.proxied = newTransport(open, e.TLS, connect, max(idle, o.InFlight))
	// The responder's own CA says nothing of a proxy, and our certificate is
	// not for its eyes. net/http comes here for the proxy's handshake alone:
	// that with the responder, within the tunnel, goes by TLSClientConfig.
	r.proxied.DialTLSContext = (&tls.Dialer{NetDialer: open}).DialContext
	r.proxied.Proxy = func(req *http.Request) (*url.URL, error) { return r.proxyFor(req.URL) }
	r.proxied.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return &proxyError{status: resp.StatusCode}
		}
		return nil
	}
	return r
}

func newTransport(d *net.Dialer, t *tls.Config, handshake time.Duration, idle int) *http.Transport {
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        t.Clone(),
		TLSHandshakeTimeout:    handshake,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // DER does not shrink, and what unpacks can be a bomb
		MaxResponseHeaderBytes: 32 << 10,
	}
}

// control asks the guard about each address that is about to be dialled.
func control(g *Guard) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("guard: %w", err)
		}
		return g.Check(a.Addr())
	}
}

// transport picks the pool for u. An address in u itself is checked even where
// a proxy will do the dialling.
func (r *route) transport(u *url.URL, trusted bool, g *Guard) (*http.Transport, error) {
	proxy, err := r.proxyFor(u)
	switch {
	case err != nil:
		return nil, err
	case proxy == nil && trusted:
		return r.trusted, nil
	case proxy == nil:
		return r.guarded, nil
	}
	if a, ok := addressIn(u.Hostname()); ok && !trusted {
		if err := g.Check(a); err != nil {
			return nil, err
		}
	}
	return r.proxied, nil
}

func (r *route) proxyFor(u *url.URL) (*url.URL, error) {
	p, err := r.proxy(u)
	if err != nil {
		// The error quotes the setting, which may hold a password.
		return nil, &proxyError{}
	}
	return p, nil
}

func (r *route) close() {
	for _, t := range []*http.Transport{r.guarded, r.trusted, r.proxied} {
		t.CloseIdleConnections()
	}
}

// proxyError is a proxy that cannot be used. A status of 0 means that the
// setting is no URL.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	if e.status == 0 {
		return "the proxy of the environment is not a URL"
	}
	return strings.TrimSpace(fmt.Sprintf("the proxy answers %d %s", e.status, http.StatusText(e.status)))
}
