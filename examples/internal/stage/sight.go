package stage

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
)

// Kind says what a server staples to a certificate, in one word.
type Kind string

// What there is to be seen. Nobody ever wants to see the last two.
const (
	None     Kind = "none"
	TryLater Kind = "tryLater" // the placeholder
	Good     Kind = "good"
	Revoked  Kind = "revoked"
	Expired  Kind = "expired"
	Wrong    Kind = "wrong" // not for this certificate, or no response at all
)

// Sight is what a TLS client sees of a server.
type Sight struct {
	Leaf   *x509.Certificate
	Staple []byte
	Kind   Kind
	This   time.Time // thisUpdate
}

func (s Sight) String() string {
	return fmt.Sprintf("certificate %s, staple %s of %s", lab.SerialText(s.Leaf.SerialNumber), s.Kind, s.This.Format(time.TimeOnly))
}

// Client says how to look at a server.
type Client struct {
	Address string
	Roots   *x509.CertPool
	Type    lab.KeyType // the certificate to ask for
	SMTP    bool        // begin with STARTTLS

	// Only says that the server has no other certificate, so that there is
	// nothing to choose, and any version of TLS will do.
	Only bool

	// Grace is for how long after its end a staple still counts as good: the
	// server keeps time in whole seconds.
	Grace time.Duration
}

// lookTime is for one handshake with all around it, on a machine that is busy.
const lookTime = 15 * time.Second

// Look makes a handshake.
func (c Client) Look() (Sight, error) {
	conn, err := net.DialTimeout("tcp", c.Address, lookTime)
	if err != nil {
		return Sight{}, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(lookTime)); err != nil {
		return Sight{}, err
	}
	if c.SMTP {
		if err := startTLS(conn); err != nil {
			return Sight{}, fmt.Errorf("STARTTLS: %w", err)
		}
	}
	t := tls.Client(conn, c.config())
	asked := time.Now()
	if err := t.Handshake(); err != nil {
		return Sight{}, err
	}
	state := t.ConnectionState()
	verified := state.VerifiedChains[0]
	s := Sight{Leaf: verified[0], Staple: state.OCSPResponse}
	s.Kind, s.This = kindOf(s.Staple, verified[0], verified[1], asked)
	if s.Kind == Expired {
		s.Kind, _ = kindOf(s.Staple, verified[0], verified[1], asked.Add(-c.Grace))
	}
	_ = t.Close() // all has been seen
	return s, nil
}

// config chooses the key type by the cipher suite, which TLS 1.3 does not
// allow.
func (c Client) config() *tls.Config {
	o := &tls.Config{ServerName: Name, RootCAs: c.Roots, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	switch {
	case c.Only:
		o.MaxVersion = 0
	case c.Type == lab.RSA:
		o.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	default:
		o.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	}
	return o
}

// kindOf judges by other code than restaple's own. Asked is when the client did:
// what has ended since had not when it was sent.
func kindOf(der []byte, leaf, issuer *x509.Certificate, asked time.Time) (Kind, time.Time) {
	switch {
	case len(der) == 0:
		return None, time.Time{}
	case bytes.Equal(der, []byte{0x30, 0x03, 0x0a, 0x01, 0x03}):
		return TryLater, time.Time{}
	}
	r, err := ocsp.ParseResponseForCert(der, leaf, issuer)
	switch {
	case err != nil || r.Status == ocsp.Unknown || r.ThisUpdate.After(time.Now()):
		return Wrong, time.Time{}
	case asked.After(r.NextUpdate.Add(time.Second)): // servers keep time in seconds
		return Expired, r.ThisUpdate
	case r.Status == ocsp.Revoked:
		return Revoked, r.ThisUpdate
	}
	return Good, r.ThisUpdate
}

// startTLS brings an SMTP connection (RFC 3207) to where TLS begins.
func startTLS(conn net.Conn) error {
	text := textproto.NewReader(bufio.NewReader(conn))
	if _, _, err := text.ReadResponse(220); err != nil {
		return err
	}
	for _, step := range []struct {
		say  string
		want int
	}{{"EHLO client.example.com", 250}, {"STARTTLS", 220}} {
		if _, err := io.WriteString(conn, step.say+"\r\n"); err != nil {
			return err
		}
		if _, _, err := text.ReadResponse(step.want); err != nil {
			return err
		}
	}
	if text.R.Buffered() > 0 {
		return errors.New("the server goes on talking")
	}
	return nil
}

func fingerprint(cert *x509.Certificate) [sha256.Size]byte { return sha256.Sum256(cert.Raw) }
