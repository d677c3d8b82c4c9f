package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// demoHandshakeTimeout bounds one handshake on loopback.
const demoHandshakeTimeout = 5 * time.Second

// handshake is what a client gets: the chain, which it verifies as clients do,
// and the staple, which almost none of them looks at any more.
func (d *demo) handshake(ctx context.Context, name string) (*tls.ConnectionState, error) {
	roots := x509.NewCertPool()
	roots.AddCert(d.pki.Root.Certificate)
	ctx, cancel := context.WithTimeoutCause(ctx, demoHandshakeTimeout, errors.New("the handshake took too long"))
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: roots}}
	conn, err := dialer.DialContext(ctx, "tcp", d.server.address)
	if err != nil {
		return nil, err
	}
	state := conn.(*tls.Conn).ConnectionState()
	return &state, conn.Close()
}

// proven is the step in which a client gets, with the site's newest
// certificate, the staple that is in the file.
func (d *demo) proven(ctx context.Context, s *demoSite) error {
	const step = "handshake made"
	var good *staple.Staple
	err := d.await(ctx, step, "the staple in "+s.stapleFile()+", byte for byte", func() (seen string, ok bool) {
		state, err := d.handshake(ctx, s.name)
		if err != nil {
			return err.Error(), false
		}
		file, err := os.ReadFile(s.stapleFile())
		switch {
		case err != nil:
			return err.Error(), false
		case len(state.OCSPResponse) == 0:
			return "a handshake without a staple", false
		case !bytes.Equal(state.PeerCertificates[0].Raw, s.issued.Certificate.Raw):
			return "another certificate", false
		case !bytes.Equal(state.OCSPResponse, file):
			return "another staple than the one in the file", false
		}
		good, err = verifyHandshake(state)
		return fmt.Sprint(err), err == nil
	})
	if err != nil {
		return err
	}
	now := time.Now()
	d.say.step(now, step, "staple proven: the %d octets of the file, byte for byte; good, for %.0f s more",
		len(good.DER()), good.Expires.Sub(now).Seconds())
	return nil
}

// without is the step in which a client gets no staple, and there is no file.
func (d *demo) without(ctx context.Context, s *demoSite) error {
	const step = "handshake made"
	err := d.await(ctx, step, "no staple", func() (string, bool) {
		state, err := d.handshake(ctx, s.name)
		if err != nil {
			return err.Error(), false
		}
		if len(state.OCSPResponse) > 0 {
			return fmt.Sprintf("a staple of %d octets", len(state.OCSPResponse)), false
		}
		_, err = os.Stat(s.stapleFile())
		return s.stapleFile() + " is there", errors.Is(err, fs.ErrNotExist)
	})
	if err == nil {
		d.say.step(time.Now(), step, "no staple, and no staple file")
	}
	return err
}

// verifyHandshake verifies a staple for the certificates it came with.
func verifyHandshake(state *tls.ConnectionState) (*staple.Staple, error) {
	c, err := chain.FromCertificates(state.PeerCertificates)
	if err != nil {
		return nil, err
	}
	return staple.Verify(state.OCSPResponse, c, time.Now(), staple.Options{})
}
