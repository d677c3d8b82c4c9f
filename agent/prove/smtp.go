package prove

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
)

// Replies of SMTP (RFC 5321 section 4.2.3).
const (
	smtpReady = 220
	smtpOK    = 250
)

// startSMTP brings a connection to where the TLS handshake begins (RFC 3207
// section 4).
func startSMTP(conn net.Conn) error {
	in := bufio.NewReader(conn)
	reader := textproto.NewReader(in)
	if _, _, err := reader.ReadResponse(smtpReady); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	features, err := ask(conn, reader, "EHLO localhost", smtpOK)
	if err != nil {
		return err
	}
	if !offersStartTLS(features) {
		return errors.New("the server does not offer STARTTLS")
	}
	if _, err := ask(conn, reader, "STARTTLS", smtpReady); err != nil {
		return err
	}
	// What came along in plain text must not pass for a part of TLS.
	if n := in.Buffered(); n > 0 {
		return fmt.Errorf("%d octets after the answer to STARTTLS", n)
	}
	return nil
}

func ask(conn net.Conn, reader *textproto.Reader, command string, want int) (string, error) {
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	_, message, err := reader.ReadResponse(want)
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	return message, nil
}

func offersStartTLS(features string) bool {
	for line := range strings.Lines(features) {
		if strings.EqualFold(strings.TrimSpace(line), "STARTTLS") {
			return true
		}
	}
	return false
}

// maxRead is how many octets a probe reads: some dozen certificates and a
// staple of 64 KiB are far less.
const maxRead = 1 << 20

var errTooMuch = fmt.Errorf("more than %d octets before the end of the handshake", maxRead)

// limitedConn reads no more than it has left.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
