package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

const (
	// maxReply is far more than HAProxy says of one response: it formats
	// that in a buffer of tune.bufsize, 16 KiB by default.
	maxReply = 256 << 10

	// maxList is enough for the names of a few hundred thousand certificates.
	maxList = 64 << 20

	// commitTimeout is how long HAProxy may take to rebuild the contexts of
	// a certificate that is used in very many places.
	commitTimeout = 30 * time.Second
)

// splitAddress turns the address of a socket into what net.Dial takes.
func splitAddress(s string) (network, address string, err error) {
	path, isUnix := strings.CutPrefix(s, "unix:")
	if isUnix || strings.HasPrefix(s, "/") {
		if path == "" {
			return "", "", errors.New("the address of HAProxy's socket is empty")
		}
		return "unix", path, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || port == "" {
		return "", "", fmt.Errorf("address of HAProxy's socket %q: want /path, unix:/path or host:port", s)
	}
	return "tcp", s, nil
}

// line is a way to say commands to one HAProxy process. Each command gets a
// connection of its own, whose end is the only mark of a reply's end that all
// versions agree on; that costs 0.1 ms.
type line struct {
	network, address string
	prefix           string // names a process to the master CLI: "@1 "
	timeout          time.Duration
	longest          int // command, in octets
}

const (
	// defaultBuffer is HAProxy's default tune.bufsize. The master CLI has it
	// whatever is configured.
	defaultBuffer = 16384

	// reserved is HAProxy's default tune.maxrewrite. A command that needs
	// more than tune.bufsize less this is not refused by 2.6: it often hangs
	// for ever, and ten of them close the socket for everybody.
	reserved = 1024

	// locked is what HAProxy says to a command about certificates while it
	// carries out that of somebody else.
	locked      = "Operations on certificates are currently locked"
	lockedPause = 20 * time.Millisecond

	// smallestBuffer is about what the staples of today need.
	smallestBuffer = 4096
)

// deadError says that HAProxy cannot be reached, or does not answer.
type deadError struct{ err error }

// unsentError says that a command was not sent.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// errUnreachable marks a deadError that trying again at once does not mend.
var errUnreachable = errors.New("is HAProxy running, and is this its socket?")

func (e *deadError) Error() string { return e.err.Error() }
func (e *deadError) Unwrap() error { return e.err }

// say sends a command, with its payload if it has one, and returns the reply.
// An empty reply is possible, and so is one that is not a success.
func (l line) say(ctx context.Context, command, payload string) (string, error) {
	return l.sayLimited(ctx, command, payload, l.timeout, maxReply)
}

func (l line) sayLimited(ctx context.Context, command, payload string, timeout time.Duration, limit int64) (string, error) {
	verb := strings.Join(firstWords(command, 3), " ")
	text := l.prefix + command + "\n"
	if payload != "" {
		text = l.prefix + command + " <<\n" + payload + "\n\n"
	}
	if len(text) > l.longest {
		return "", &unsentError{fmt.Errorf("%q would need %d octets, HAProxy takes no more than %d at once (tune.bufsize less tune.maxrewrite): "+
			"it reads such a response from its file only, when it is reloaded; if its tune.bufsize is larger, say so to restaple (buffer)",
			verb, len(text), l.longest)}
	}
	for begin := time.Now(); ; {
		reply, err := l.exchange(ctx, verb, text, timeout, limit)
		if err != nil || !strings.Contains(reply, locked) {
			return reply, err
		}
		if time.Since(begin) > timeout {
			return "", fmt.Errorf("HAProxy has said %s to %q for %v", words(reply), verb, timeout)
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-time.After(lockedPause):
		}
	}
}

// exchange sends text and returns what comes back.
func (l line) exchange(ctx context.Context, verb, text string, timeout time.Duration, limit int64) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout,
		fmt.Errorf("no reply to %q within %v: %w", verb, timeout, context.DeadlineExceeded))
	defer cancel()

	var d net.Dialer
	conn, err := d.DialContext(ctx, l.network, l.address)
	if err != nil {
		return "", &deadError{&unsentError{fmt.Errorf("%w: %w", err, errUnreachable)}}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	_, err = io.WriteString(conn, text)
	if c, ok := conn.(interface{ CloseWrite() error }); ok && err == nil {
		err = c.CloseWrite() // the master CLI waits for it
	}
	reply, readErr := io.ReadAll(io.LimitReader(conn, limit+1))
	switch err = errors.Join(err, readErr); {
	case ctx.Err() != nil:
		return "", &deadError{context.Cause(ctx)}
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ENOTCONN):
		// HAProxy does so in the middle of a command that is too long for it.
	case err != nil:
		return "", fmt.Errorf("%q: %w", verb, err)
	case int64(len(reply)) > limit:
		return "", fmt.Errorf("the reply to %q is longer than %d octets", verb, limit)
	}
	return string(reply), nil
}

func firstWords(s string, n int) []string {
	words := strings.Fields(s)
	return words[:min(n, len(words))]
}
