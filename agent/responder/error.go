package responder

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

// Kind says in one word what kept an answer from coming. The words are public:
// they stand in logs, metric labels and JSON.
type Kind string

// Every kind there is.
const (
	KindURL         Kind = "bad-url"         // the URL cannot be asked: scheme, host, syntax
	KindRequest     Kind = "no-request"      // no request can be made for this chain
	KindDNS         Kind = "dns"             // the host's name has no address
	KindRefused     Kind = "address-refused" // the address guard said no
	KindConnect     Kind = "connect"         // no connection: refused, unreachable
	KindTLS         Kind = "tls"             // no handshake, or a certificate that does not verify
	KindProxy       Kind = "proxy"           // the proxy could not be reached or said no
	KindTimeout     Kind = "timeout"         // not in time, at whatever stage
	KindInterrupted Kind = "interrupted"     // the connection ended before the answer did
	KindHTTP        Kind = "http"            // a status other than 200
	KindRedirect    Kind = "redirect"        // too many redirects, or one to nowhere
	KindTooLarge    Kind = "too-large"       // an answer over the limit
	KindDown        Kind = "responder-down"  // not asked: the responder's lane is closed for now
	KindCanceled    Kind = "canceled"        // the caller gave up
)

// Error says why there is no answer.
type Error struct {
	Kind Kind
	URL  string // of the responder, without password

	// Status is the HTTP status if Kind is KindHTTP, or KindProxy and the
	// proxy gave one.
	Status int

	// RetryAfter is how long not to ask again, if the responder said so
	// (RFC 9110 section 10.2.3) or its lane is closed; at most a day.
	RetryAfter time.Duration

	Err error
}

// Error implements error: the responder, then what happened.
func (e *Error) Error() string { return e.URL + ": " + e.Err.Error() }

// Unwrap returns what happened.
func (e *Error) Unwrap() error { return e.Err }

// kindOf sorts what net/http and net return. Timeouts come first: each stage
// has its own error for them.
func kindOf(err error) Kind {
	if _, ok := errors.AsType[*AddressError](err); ok {
		return KindRefused
	}
	if _, ok := errors.AsType[*proxyError](err); ok {
		return KindProxy
	}
	op, isOp := errors.AsType[*net.OpError](err)
	if isOp && (op.Op == "proxyconnect" || op.Op == "socks connect") {
		return KindProxy
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return KindDNS
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return KindTimeout
	}
	if isTLS(err) || isOp && (op.Op == "remote error" || op.Op == "local error") { // alerts have no type
		return KindTLS
	}
	if isOp && op.Op == "dial" {
		return KindConnect
	}
	return KindInterrupted
}

// ClientCertError says why a responder could not be shown our own certificate. A
// tls.Config's GetClientCertificate returns it, or it would look like the
// connection's fault.
type ClientCertError struct{ Err error }

// Error implements error and names the setting.
func (e *ClientCertError) Error() string { return "client_cert: " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ClientCertError) Unwrap() error { return e.Err }

func isTLS(err error) bool {
	if _, ok := errors.AsType[*ClientCertError](err); ok {
		return true
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

// gaveUp is the error for a caller's context that is done.
func gaveUp(ctx context.Context, url string) *Error {
	return &Error{Kind: KindCanceled, URL: url, Err: context.Cause(ctx)}
}
