package prove

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// DefaultTimeout bounds a probe, from the name lookup to the last octet of
// the handshake.
const DefaultTimeout = 10 * time.Second

// Options says where and how to look.
type Options struct {
	Address

	// KeyType asks for the certificate with this kind of key, of servers
	// that have several: "RSA", "ECDSA" or "Ed25519" as in chain.Leaf; ""
	// takes what comes. Only TLS 1.2 and earlier let a client choose so that
	// every server understands it, so nothing newer is offered then.
	KeyType string

	// Issuers are certificates beside those that the server presents, for
	// servers that present the leaf alone.
	Issuers []*x509.Certificate

	Verify  staple.Options
	Timeout time.Duration // 0: DefaultTimeout
}

// Served is what a server presents in a handshake.
type Served struct {
	Chain   *chain.Chain // Chain.Issuer is nil if nobody presented or gave it
	Leaf    *x509.Certificate
	Staple  []byte // as it was sent: not verified; nil if there was none
	Version uint16 // of TLS

	// Unfinished says why the handshake went no further than the staple; nil
	// if it did. A server that demands a client certificate ends it so.
	Unfinished error
}

// Stage is how far a probe came.
type Stage string

// The stages at which a probe can fail.
const (
	Connecting Stage = "connect"     // name lookup and TCP
	Upgrading  Stage = "starttls"    // the plain text before TLS
	Shaking    Stage = "handshake"   // TLS
	Reading    Stage = "certificate" // what the server presents is none
)

// Error says at which stage a probe failed.
type Error struct {
	Stage   Stage
	Address Address
	Err     error
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.Address, e.Stage, printable(e.Err.Error()))
}

func (e *Error) Unwrap() error { return e.Err }

// Probe makes a TLS handshake that asks for the staple. It verifies neither
// the certificate nor the staple; Compare does the latter. The error is
// always an *Error.
func Probe(ctx context.Context, o Options) (*Served, error) {
	wrong := func(at Stage, err error) (*Served, error) { return nil, &Error{at, o.Address, err} }
	timeout := cmp.Or(o.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v", timeout))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", o.HostPort)
	if err != nil {
		return wrong(Connecting, because(ctx, err))
	}
	defer conn.Close()
	// HandshakeContext watches ctx by itself, but the plain text before does not.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	limited := &limitedConn{Conn: conn, left: maxRead}
	if o.StartTLS == SMTP {
		if err := startSMTP(limited); err != nil {
			return wrong(Upgrading, because(ctx, err))
		}
	}
	seen, err := handshake(ctx, limited, o)
	if seen == nil {
		return wrong(Shaking, because(ctx, err))
	}
	served := &Served{Staple: seen.OCSPResponse, Version: seen.Version, Unfinished: err}
	if served.Chain, err = presented(seen.PeerCertificates, o.Issuers, time.Now()); err != nil {
		return wrong(Reading, err)
	}
	served.Leaf = seen.PeerCertificates[0]
	return served, nil
}

// handshake returns what was seen even if the handshake failed later than
// that, together with the error.
func handshake(ctx context.Context, conn net.Conn, o Options) (*tls.ConnectionState, error) {
	suites, newest, err := offer(o.KeyType)
	if err != nil {
		return nil, err
	}
	var seen *tls.ConnectionState
	client := tls.Client(conn, &tls.Config{
		ServerName:   o.SNI(),
		CipherSuites: suites,
		MaxVersion:   newest,
		// Nothing is sent or believed over this connection, so whatever the
		// server still speaks will do.
		MinVersion:         tls.VersionTLS10,
		InsecureSkipVerify: true,
		// By now the certificate and the staple are here. A server that wants
		// a client certificate refuses us only later.
		VerifyConnection: func(state tls.ConnectionState) error {
			seen = &state
			return nil
		},
	})
	if err = client.HandshakeContext(ctx); err == nil {
		takeLeave(client, o.StartTLS == SMTP)
	}
	return seen, err
}

// leaveTime is how long a mail server may take to say goodbye.
const leaveTime = time.Second

// takeLeave ends a connection as it should be: servers log as an error that one
// breaks off. All has been seen, so nothing depends on it.
func takeLeave(client *tls.Conn, fromMail bool) {
	if fromMail {
		_ = client.SetDeadline(time.Now().Add(leaveTime))
		_, _ = io.WriteString(client, "QUIT\r\n")
		_, _ = client.Read(make([]byte, 512))
	}
	_ = client.Close()
}

// presented makes a chain of what a server sent: the leaf comes first (RFC
// 8446 section 4.4.2), the others in any order.
func presented(certs, more []*x509.Certificate, now time.Time) (*chain.Chain, error) {
	if len(certs) == 0 {
		return nil, errors.New("the server presents no certificate")
	}
	leaf, err := chain.NewLeaf(certs[0])
	if err != nil {
		return nil, err
	}
	c := &chain.Chain{Leaf: leaf}
	candidates := append(append([]*x509.Certificate{}, certs[1:]...), more...)
	issuer := chain.FindIssuer(certs[0], candidates, now)
	if issuer == nil {
		c.IssuerErr = fmt.Errorf("the server presents no certificate of %q that signed the leaf", certs[0].Issuer)
		return c, nil
	}
	if c.Issuer, err = chain.NewIssuer(issuer); err != nil {
		return nil, err
	}
	return c, nil
}

// because prefers the reason for which ctx has ended to what it did to the
// connection.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// printable is what may go to a terminal of words that a server sent.
func printable(s string) string {
	const longest = 300
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
