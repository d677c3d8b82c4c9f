package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/responder"
)

// newClient builds the client that asks responders as the config says.
func newClient(c *config.Config) (*responder.Client, error) {
	o := responder.Options{
		UserAgent:      "restaple/" + versionString(),
		ConnectTimeout: c.ConnectTimeout,
		Timeout:        c.Timeout,
		Guard:          responder.NewGuard(responder.GuardOptions{Strict: c.GuardStrict, Allow: c.Allow, Deny: c.Deny}),
	}
	var err error
	if o.Proxy, err = proxy(c.Proxy, c.NoProxy); err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	byHost := make(map[string]*responder.Egress)
	for _, r := range c.Responders {
		if byHost[r.Host], err = egress(r, c.NoProxy); err != nil {
			return nil, fmt.Errorf("responder %s: %w", r.Host, err)
		}
	}
	o.Egress = func(host string) *responder.Egress {
		if e := byHost[host]; e != nil {
			return e
		}
		return byHost[config.Everywhere]
	}
	return responder.New(o), nil
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

func egress(r *config.Responder, except string) (*responder.Egress, error) {
	e := &responder.Egress{Header: r.Headers, Timeout: r.Timeout, ConnectTimeout: r.ConnectTimeout}
	var err error
	if e.Proxy, err = proxy(r.Proxy, except); err != nil {
		return nil, err
	}
	if r.CAFile == "" && r.ClientCert == "" {
		return e, nil
	}
	e.TLS = &tls.Config{}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		e.TLS.RootCAs = x509.NewCertPool()
		if !e.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: no certificate in %s", r.CAFile)
		}
	}
	if r.ClientCert != "" {
		// Read for each handshake: the key is not kept, and a renewed
		// certificate is taken without a restart.
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(r.ClientCert, r.ClientKey)
			return &pair, err
		}
		if _, err := load(nil); err != nil {
			return nil, fmt.Errorf("client_cert: %w", err)
		}
		e.TLS.GetClientCertificate = load
	}
	return e, nil
}
