package responder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxRedirects is how many hops an exchange may be sent on.
const maxRedirects = 4

// exchange is one HTTP request and what comes of it, redirects included.
type exchange struct {
	method  string
	url     *url.URL
	name    string // the URL in errors: as it was given, without password
	header  http.Header
	body    []byte
	limit   int64  // of the answer's size in octets
	trusted string // host:port that the guard does not judge
}

// reply is an answer with status 200 or 304.
type reply struct {
	status int
	header http.Header
	body   []byte
	at     time.Time // when its header had come
}

// do follows redirects itself, since each hop may need another route, and
// the headers of one responder are not for another. The error is an *Error.
func (c *Client) do(ctx context.Context, x exchange) (*reply, *Error) {
	if down := HandedBack(ctx); down != nil {
		return nil, &Error{Kind: KindDown, URL: x.name, RetryAfter: max(0, time.Until(down.Until)), Err: down}
	}
	if ctx.Err() != nil {
		return nil, gaveUp(ctx, x.name)
	}
	timeout := c.route(x.url).timeout
	limited, cancel := context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("no whole answer within %s", timeout))
	defer cancel()

	hop := x.url
	for n := 0; ; n++ {
		r, next, err := c.hop(limited, &x, hop)
		if err != nil {
			return nil, c.explain(ctx, limited, &x, hop, err)
		}
		if next == nil {
			return r, nil
		}
		if n == maxRedirects {
			return nil, &Error{Kind: KindRedirect, URL: x.name,
				Err: fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, redact(next))}
		}
		hop = next
	}
}

// hop makes one request. next is set if the answer is to be had elsewhere.
func (c *Client) hop(ctx context.Context, x *exchange, u *url.URL) (r *reply, next *url.URL, err error) {
	way := c.route(u)
	transport, err := way.transport(u, hostPort(u) == x.trusted, c.o.Guard)
	if err != nil {
		return nil, nil, err
	}
	resp, err := transport.RoundTrip(newRequest(ctx, x, u, way.egress))
	if err != nil {
		return nil, nil, unaddressed(err)
	}
	defer resp.Body.Close()

	switch resp.StatusCode {
	case http.StatusOK:
		body, err := readBody(resp, x.limit)
		return &reply{resp.StatusCode, resp.Header, body, time.Now()}, nil, err
	case http.StatusNotModified:
		return &reply{resp.StatusCode, resp.Header, nil, time.Now()}, nil, nil
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		drain(resp.Body)
		if resp.StatusCode == http.StatusSeeOther {
			// Only this one says that the answer is there already;
			// after the others a POST without its request is of no use.
			x.method, x.body = http.MethodGet, nil
		}
		next, err := location(resp, u)
		return nil, next, err
	}
	drain(resp.Body)
	return nil, nil, &statusError{resp.StatusCode, retryAfter(resp.Header, time.Now())}
}

func newRequest(ctx context.Context, x *exchange, u *url.URL, e *Egress) *http.Request {
	req := &http.Request{
		Method: x.method, URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: x.header.Clone(),
	}
	// Without it any coding would do (RFC 9110 section 12.5.3).
	req.Header.Set("Accept-Encoding", "identity")
	if x.body != nil {
		req.Body = io.NopCloser(bytes.NewReader(x.body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.body)), nil }
		req.ContentLength = int64(len(x.body))
		req.Header.Set("Content-Type", "application/ocsp-request")
		// Asking twice does no harm. Present without a value, the key is
		// not sent, but lets net/http use another connection when the
		// responder has just closed the idle one.
		req.Header["Idempotency-Key"] = nil
	}
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	for name, values := range e.Header {
		if http.CanonicalHeaderKey(name) == "Host" && len(values) > 0 {
			req.Host = values[0] // net/http looks for it nowhere else
			continue
		}
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	return req.WithContext(ctx)
}

// location returns where a redirect leads. A user name in it is dropped, as it
// would not be the operator's; that one goes along as long as it is the same place.
func location(resp *http.Response, from *url.URL) (*url.URL, error) {
	raw := resp.Header.Get("Location")
	if raw == "" {
		return nil, &redirectError{fmt.Errorf("%d without a Location", resp.StatusCode)}
	}
	u, err := from.Parse(raw)
	if err != nil {
		return nil, &redirectError{errors.New("redirected to something that is not a URL")}
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	u.Host = strings.ToLower(u.Host)
	if u.Scheme == from.Scheme && hostPort(u) == hostPort(from) {
		u.User = from.User
	}
	if err := checkURL(u); err != nil {
		return nil, &redirectError{fmt.Errorf("redirected to %s: %w", redact(u), err)}
	}
	return u, nil
}

// readBody reads one octet more than the limit, so that a long answer is
// refused and not cut.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, &sizeError{limit}
	}
	buffer := bytes.NewBuffer(make([]byte, 0, max(0, resp.ContentLength)+bytes.MinRead))
	if _, err := buffer.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		return nil, fmt.Errorf("after %d octets of the answer: %w", buffer.Len(), unaddressed(err))
	}
	if int64(buffer.Len()) > limit {
		return nil, &sizeError{limit}
	}
	return buffer.Bytes(), nil
}

// unaddressed takes the addresses off an error of a connection that there was.
// Our port is another each time, and so would be what is said.
func unaddressed(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "read" || op.Op == "write") {
		return op.Err
	}
	return err
}

// drain reads what is left of a short body, without which the connection
// could not be used again. A failure to do so costs only the connection.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, 16<<10) }

// explain turns what went wrong on the way to hop into an *Error.
func (c *Client) explain(caller, limited context.Context, x *exchange, hop *url.URL, err error) *Error {
	if errors.Is(err, io.EOF) && kindOf(err) == KindInterrupted {
		err = errClosed
	}
	e := &Error{URL: x.name, Err: err}
	if hop != x.url {
		e.Err = fmt.Errorf("redirected to %s: %w", redact(hop), err)
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		e.Kind, e.Status, e.RetryAfter = KindHTTP, status.code, status.retry
		if status.code == http.StatusProxyAuthRequired {
			e.Kind = KindProxy
		}
		return e
	}
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		e.Status = proxy.status
	}
	_, redirect := errors.AsType[*redirectError](err)
	_, size := errors.AsType[*sizeError](err)
	switch {
	case redirect:
		e.Kind = KindRedirect
	case size:
		e.Kind = KindTooLarge
	case caller.Err() != nil:
		return gaveUp(caller, x.name)
	case limited.Err() != nil:
		e.Kind, e.Err = KindTimeout, context.Cause(limited)
	default:
		e.Kind = kindOf(err)
	}
	return e
}

var errClosed = errors.New("the connection was closed without an answer")

type statusError struct {
	code  int
	retry time.Duration
}

func (e *statusError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", e.code, http.StatusText(e.code)))
	if e.retry > 0 {
		text += fmt.Sprintf(", wants to be left alone for %s", e.retry)
	}
	return text
}

type redirectError struct{ err error }

func (e *redirectError) Error() string { return e.err.Error() }

type sizeError struct{ limit int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d octets", e.limit)
}
