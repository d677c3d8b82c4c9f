package apache

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/desk"
	"github.com/restaple/restaple/examples/internal/stage"
)

// elsewhere is the responder that all certificates name. There is no such host,
// so that whoever does not ask through restaple gets no answer.
const elsewhere = "http://ocsp.example.invalid/"

// TestApacheAsksThroughRestaple has Apache use restaple as its proxy: for its own
// certificate and, as README.md says, for those of clients.
func TestApacheAsksThroughRestaple(t *testing.T) {
	t.Parallel()
	s := stage.New(t, "apache2")
	address, listen := s.Address(), s.Address()
	server := issue(s)
	for _, name := range []string{"rsa", "ecdsa"} { // the kinds are another test's
		s.Put(stage.Certificate{Chain: "/etc/apache2/tls/" + name + ".pem", Key: "/etc/apache2/tls/" + name + ".key"}, server)
	}
	s.Write("/etc/apache2/clients.pem", append(s.PKI.Intermediate.CertPEM(), s.PKI.Root.CertPEM()...), 0o644)
	s.Install("apache2.conf", "/etc/apache2/apache2.conf",
		"Listen 443", "Listen "+address, "*:443", address,
		"CacheTimeout 300", "CacheTimeout 1", "ErrorCacheTimeout 10", "ErrorCacheTimeout 1",
		"ResponderTimeout 3", "ResponderTimeout 20", // of a machine that is busy
		"SSLStaplingForceURL http://127.0.0.1:9080/", `SSLVerifyClient require
    SSLVerifyDepth 2
    SSLCACertificateFile /etc/apache2/clients.pem
    SSLOCSPEnable leaf
    SSLOCSPUseRequestNonce off
    SSLOCSPProxyURL http://`+listen+"/")
	s.InstallRestaple(desk.Listen, listen+"\nanswer_for: issuers", "paths:", fmt.Sprintf("responder: %s\n    paths:", s.PKI.Intermediate.Responders[0]))
	s.Dir("/run/apache2")
	s.Dir("/var/log/apache2")
	s.Agent()
	web := &site{s, address, server}
	web.until("restaple answers", func() error {
		c, err := net.Dial("tcp", listen)
		if err == nil {
			c.Close()
		}
		return err
	})
	s.Start("apache2", "-f", s.Path("/etc/apache2/apache2.conf"), "-DFOREGROUND")

	client, revoked, late := issue(s), issue(s), issue(s)
	s.Revoke(revoked)
	web.until("the client is let in, and there is a staple", func() error { return web.visit(client) })
	if err := web.visit(revoked); !refused(err) {
		t.Errorf("a client with a revoked certificate: got %v, want it refused", err)
	}
	s.Down()
	if err := web.visit(client); err != nil {
		t.Errorf("a client who was here before, with the CA's responder down: %v", err)
	}
	if err := web.visit(late); !refused(err) {
		t.Errorf("a client of whom nothing is known, with the CA's responder down: got %v, want it refused", err)
	}
}

func issue(s *stage.Stage) *lab.Issued {
	s.T.Helper()
	issued, err := s.PKI.Intermediate.Issue(lab.IssueOptions{Names: []string{stage.Name}, Responders: []string{elsewhere}})
	if err != nil {
		s.T.Fatal(err)
	}
	return issued
}

// site is what clients visit.
type site struct {
	*stage.Stage
	address string
	server  *lab.Issued
}

// visit asks for a page as a client with a certificate. Without an error Apache has
// answered, and stapled a good response.
func (s *site) visit(client *lab.Issued) error {
	roots := x509.NewCertPool()
	roots.AddCert(s.PKI.Root.Certificate)
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		ServerName: stage.Name, RootCAs: roots, MaxVersion: tls.VersionTLS12, // in which a refusal is part of the handshake
		Certificates: []tls.Certificate{{Certificate: [][]byte{client.Certificate.Raw}, PrivateKey: client.Key}},
	}}
	resp, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Get("https://" + s.address + "/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	r, err := ocsp.ParseResponseForCert(resp.TLS.OCSPResponse, s.server.Certificate, s.PKI.Intermediate.Certificate)
	if err == nil && r.Status != ocsp.Good {
		err = fmt.Errorf("status %d", r.Status)
	}
	if err != nil {
		return fmt.Errorf("staple: %w", err)
	}
	return nil
}

// refused reports whether the server has ended a handshake with an alert.
func refused(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error"
}

func (s *site) until(what string, ok func() error) {
	s.T.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			s.T.Fatalf("not within a minute: %s: %v", what, err)
		case <-tick.C:
		}
	}
}
