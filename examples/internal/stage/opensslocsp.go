package stage

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// ProveWithOpenSSLOCSP shows that restaple understands a responder which
// nobody here has written, `openssl ocsp`: good, a newer one, revoked.
func (e Example) ProveWithOpenSSLOCSP(t *testing.T) {
	t.Parallel()
	p := e.on(t)
	p.prepare(Window{Validity: time.Hour})
	p.Down()
	responder := p.openSSLOCSP("V", "")
	p.boot(0)
	first := p.see(Good, time.Time{})
	for i := range p.Certificates {
		p.judge(i)
	}
	p.until("a response of a later second", func() error {
		p.Refresh(0, "--force")
		sight, err := p.client(0).Look()
		if err == nil && !sight.This.After(first) {
			err = fmt.Errorf("got %v", sight)
		}
		return err
	})
	_ = responder.Stop() // SIGTERM is no good end for it
	p.openSSLOCSP("R", time.Now().UTC().Format(indexTime)+",keyCompromise")
	p.Refresh(1, "--force")
	p.see(p.Missing, time.Time{})
}

// indexTime is how times are written in a CA's index (openssl-ca(1)).
const indexTime = "060102150405Z"

// openSSLOCSP has `openssl ocsp` answer in the lab's place, with the status of
// all certificates.
func (p *play) openSSLOCSP(status, revoked string) *Process {
	p.T.Helper()
	const dir = "/etc/ca"
	var index strings.Builder
	for _, i := range p.issued {
		fmt.Fprintf(&index, "%s\t%s\t%s\t%s\tunknown\t/CN=%s\n", status, i.Certificate.NotAfter.UTC().Format(indexTime),
			revoked, lab.SerialText(i.Certificate.SerialNumber), Name)
	}
	p.Write(dir+"/index.txt", []byte(index.String()), 0o644)
	key, err := p.delegate.KeyPEM()
	if err != nil {
		p.T.Fatal(err)
	}
	p.Write(dir+"/responder.key", key, 0o600)
	p.Write(dir+"/responder.pem", p.delegate.CertPEM(), 0o644)
	p.Write(dir+"/ca.pem", p.PKI.Intermediate.CertPEM(), 0o644)
	_, port, err := net.SplitHostPort(p.Stage.address)
	if err != nil {
		p.T.Fatal(err)
	}
	file := func(name string) string { return p.Path(filepath.Join(dir, name)) }
	responder := p.Start("openssl", "ocsp", "-port", port, "-index", file("index.txt"), "-CA", file("ca.pem"),
		"-rsigner", file("responder.pem"), "-rkey", file("responder.key"), "-nmin", "10")
	// A connection without a request would keep it waiting for ever.
	p.until("openssl ocsp answers", func() error {
		said, code := p.Run("openssl", "ocsp", "-url", "http://"+p.Stage.address, "-noverify",
			"-issuer", file("ca.pem"), "-cert", p.Path(p.Certificates[0].Chain))
		if code != 0 {
			return errors.New(said)
		}
		return nil
	})
	return responder
}
