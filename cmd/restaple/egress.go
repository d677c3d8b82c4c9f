package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"

	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/responder"
)

// newClient builds the client that asks responders as the config says.
func newClient(c *config.Config, fail failer) *responder.Client {
	o := responder.Options{
		UserAgent:      "restaple/" + versionString(),
		ConnectTimeout: c.ConnectTimeout,
		Timeout:        c.Timeout,
		InFlight:       c.MaxInFlight,
		Guard:          responder.NewGuard(responder.GuardOptions{Strict: c.GuardStrict, Allow: c.Allow, Deny: c.Deny}),
	}
	var err error
	if o.Proxy, err = proxy(c.Proxy, c.NoProxy); err != nil {
		fail("proxy", err)
	}
	byHost := make(map[string]*responder.Egress)
	for host, r := range c.ByHost() {
		byHost[host] = egress(host, r, c.NoProxy, fail.under("responders[%d]", slices.Index(c.Responders, r)))
	}
	o.Egress = func(host string) *responder.Egress {
		if e := byHost[host]; e != nil {
			return e
		}
		return byHost[config.Everywhere]
	}
	return responder.New(o)
}

func proxy(url, except string) (responder.Proxy, error) {
	switch url {
	case "":
		return nil, nil // the environment's
	case config.Direct:
		return responder.NoProxy, nil
	}
	return responder.FixedProxy(url, except)
}

// egress is the way to a host by what r says. What r has for the responder
// itself, such as a key in a header, is not for a host that r has another asked
// instead of; that one may still be asked for an issuer.
func egress(host string, r *config.Responder, except string, fail failer) *responder.Egress {
	e := &responder.Egress{Timeout: r.Timeout, ConnectTimeout: r.ConnectTimeout, InFlight: r.MaxInFlight}
	var err error
	if e.Proxy, err = proxy(r.Proxy, except); err != nil {
		fail("proxy", err)
	}
	if r.URL != "" && responder.Host(r.URL) != host {
		return e
	}
	e.Header = r.Headers
	if r.CAFile == "" && r.ClientCert == "" {
		return e
	}
	e.TLS = &tls.Config{}
	if r.CAFile != "" {
		e.TLS.RootCAs = x509.NewCertPool()
		if pem, err := os.ReadFile(r.CAFile); err != nil {
			fail("ca_file", err)
		} else if !e.TLS.RootCAs.AppendCertsFromPEM(pem) {
			fail("ca_file", fmt.Errorf("no certificate in %s", r.CAFile))
		}
	}
	if r.ClientCert != "" {
		// Read for each handshake: the key is not kept, and a renewed
		// certificate is taken without a restart.
		load := func() (tls.Certificate, error) { return tls.LoadX509KeyPair(r.ClientCert, r.ClientKey) }
		if _, err := load(); err != nil {
			fail("client_cert", err)
		}
		e.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := load()
			if err != nil {
				return nil, &responder.ClientCertError{Err: err}
			}
			return &pair, nil
		}
	}
	return e
}
