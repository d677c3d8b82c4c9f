// Package responder makes one attempt to ask one responder: it builds the
// request, sends it by the method that fits, and returns the bytes that came.
// They are untrusted; package staple decides what they are worth.
package responder

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options is how responders are asked. All of it may be zero.
type Options struct {
	UserAgent      string        // "": restaple
	ConnectTimeout time.Duration // DNS and TCP, and again TLS; 0: 5 s
	Timeout        time.Duration // one exchange with its redirects; 0: 15 s
	MaxBody        int64         // octets of an answer; 0: 64 KiB
	Guard          *Guard        // nil: NewGuard with no options
	Proxy          Proxy         // nil: EnvironmentProxy
	InFlight       int           // most requests to all responders at once; 0: 256
	Resolver       *net.Resolver // of names; nil: the system's

	// Egress returns the way to a responder, in the form of Host; nil for
	// the ordinary way. It returns the same pointer for the same way:
	// connections are kept per pointer.
	Egress func(host string) *Egress
}

// Client asks responders. It is safe for concurrent use.
type Client struct {
	o      Options
	plain  Egress
	memory memory

	mu     sync.Mutex
	routes map[*Egress]*route
}

// New returns a client. Close it after use.
func New(o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = "restaple"
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 5 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 64 << 10 // real answers have 0.3 to 8 KiB
	}
	if o.InFlight <= 0 {
		o.InFlight = usualInFlightAll
	}
	if o.Guard == nil {
		o.Guard = NewGuard(GuardOptions{})
	}
	if o.Proxy == nil {
		o.Proxy = EnvironmentProxy()
	}
	return &Client{o: o, memory: memory{other: make(map[string]habit)}, routes: make(map[*Egress]*route)}
}

// Close closes the connections that are kept. No call may be under way.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.routes {
		r.close()
	}
}

// route returns the way to u's host.
func (c *Client) route(u *url.URL) *route {
	e := &c.plain
	if c.o.Egress != nil {
		if own := c.o.Egress(hostOf(u)); own != nil {
			e = own
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.routes[e]
	if r == nil {
		r = newRoute(e, &c.o)
		c.routes[e] = r
	}
	return r
}

// Way says how a URL is asked, in URLs without passwords: as shown, by way of
// proxy, if there is one. Both are empty if it cannot be asked.
func (c *Client) Way(rawURL string) (shown, proxy string) {
	u, err := parseURL(rawURL)
	if err != nil {
		return "", ""
	}
	if p, err := c.route(u).proxyFor(u); err == nil && p != nil {
		// No more than that: what is no URL may have come apart wrongly, with
		// a password in the path.
		proxy = redact(&url.URL{Scheme: p.Scheme, User: p.User, Host: p.Host})
	}
	return redact(u), proxy
}

// maxIssuer is far more than any certificate, and enough for a PKCS#7 bag.
const maxIssuer = 1 << 20

// HasIssuers reports whether FetchIssuer would ask at a URL.
func HasIssuers(rawURL string) bool {
	_, err := issuerURL(rawURL)
	return err == nil
}

func issuerURL(raw string) (*url.URL, error) {
	u, err := parseURL(raw)
	if err == nil && u.Scheme != "http" {
		err = errors.New("an issuer is fetched by http only")
	}
	return u, err
}

// FetchIssuer downloads what an AIA caIssuers URL of a certificate leads to
// (RFC 5280 section 4.2.2.1): DER, PEM or PKCS#7, at most 1 MiB, untrusted.
// Only http is taken, since https would need an issuer to fetch an issuer.
// The error is an *Error.
func (c *Client) FetchIssuer(ctx context.Context, rawURL string) ([]byte, error) {
	u, err := issuerURL(rawURL)
	if err != nil {
		return nil, &Error{Kind: KindURL, URL: Redact(rawURL), Err: err}
	}
	r, fault := c.do(ctx, exchange{
		method: http.MethodGet, url: u, name: redact(u), limit: maxIssuer,
		header: http.Header{
			"User-Agent": {c.o.UserAgent},
			"Accept":     {"application/pkix-cert, application/pkcs7-mime, */*;q=0.5"},
		},
	})
	if fault != nil {
		return nil, fault
	}
	if r.status != http.StatusOK {
		return nil, &Error{Kind: KindHTTP, URL: redact(u), Status: r.status, Err: &statusError{code: r.status}}
	}
	return r.body, nil
}
