package main

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/staple"
)

func TestAdviceFitsTheCause(t *testing.T) {
	for _, row := range []struct {
		state agent.State
		err   error
		want  string // part of it; "": there is none
	}{
		{agent.NotWritable, unix.EACCES, "user write there"},
		{agent.NotWritable, unix.EROFS, "place staples elsewhere"},
		{agent.NotWritable, unix.ENOSPC, "make room"},
		{agent.NotWritable, unix.EDQUOT, "make room"},
		{agent.Unreadable, unix.EACCES, "read the certificate"},
		{agent.Unreadable, unix.EIO, ""},
		{agent.PathConflict, unix.EEXIST, "`staple:`"},
	} {
		got := advice(agent.Certificate{State: row.state, Error: "replace x.ocsp: write: " + row.err.Error()})
		if !strings.Contains(got, row.want) || row.want == "" && got != "" {
			t.Errorf("%s, %v: got %q, want %q in it", row.state, row.err, got, row.want)
		}
	}
}

func TestAdviceOnARevocation(t *testing.T) {
	for server, want := range map[string]string{
		"nginx": "is withdrawn", "haproxy": "is withdrawn", "generic": "is withdrawn",
		"hitch": "stays till its end", "envoy": "stays till its end",
	} {
		if got := advice(agent.Certificate{State: agent.Revoked, Server: server}); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", server, got, want)
		}
	}
}

func TestAdviceOnRequestsThatFail(t *testing.T) {
	for name, row := range map[string]struct {
		c    agent.Certificate
		want string // part of it
	}{
		"a responder with a CA of its own":    {agent.Certificate{State: agent.Missing, Reason: "tls", Error: "x509: unknown authority"}, "`ca_file:`"},
		"a responder that wants to know us":   {agent.Certificate{State: agent.Missing, Reason: "tls", Error: "remote error: tls: certificate required"}, "`client_cert:`"},
		"a certificate of ours that is gone":  {agent.Certificate{State: agent.Missing, Reason: "tls", Error: "client_cert: open x: no such file"}, "our own certificate"},
		"a responder with old TLS":            {agent.Certificate{State: agent.Missing, Reason: "tls", Error: "remote error: tls: protocol version not supported"}, "1.2"},
		"a responder without TLS":             {agent.Certificate{State: agent.Missing, Reason: "tls", Error: "tls: first record does not look like a TLS handshake"}, "no TLS"},
		"a proxy that is not there":           {agent.Certificate{State: agent.Missing, Reason: "proxy", Error: "connection refused"}, "check `proxy:`"},
		"a proxy that wants to know us":       {agent.Certificate{State: agent.Missing, Reason: "proxy", Error: "407 Proxy Authentication Required"}, "USER:PASSWORD"},
		"a SOCKS proxy that wants to know us": {agent.Certificate{State: agent.Missing, Reason: "proxy", Error: "username/password authentication failed"}, "USER:PASSWORD"},
		"no issuer, and no way to fetch one":  {agent.Certificate{State: agent.NoIssuer, Reason: "proxy"}, "`issuers:`; to have it fetched, check `proxy:`"},
		"a responder that wants a key":        {agent.Certificate{State: agent.Missing, Reason: "http", Error: "http://x/: GET: 403 Forbidden"}, "`headers:`"},
		"a responder that is busy":            {agent.Certificate{State: agent.Missing, Reason: "http", Error: "http://x/: 429 Too Many Requests"}, "`rate:`"},
		"a proxy before a dead responder":     {agent.Certificate{State: agent.Missing, Reason: "http", Error: "http://x/: 502 Bad Gateway"}, "a proxy before it"},
		"another server":                      {agent.Certificate{State: agent.Missing, Reason: "http", Error: "http://x/404: GET: 404 Not Found"}, "no OCSP responder"},
		"a file with a key alone":             {agent.Certificate{State: agent.Unreadable, Error: "load x: no end-entity certificate"}, "only keys"},
	} {
		if got := advice(row.c); !strings.Contains(got, row.want) {
			t.Errorf("%s: got %q, want %q in it", name, got, row.want)
		}
	}
	if got := advice(agent.Certificate{State: agent.NoIssuer, Reason: "dns"}); strings.Contains(got, "fetched") {
		t.Errorf("another responder has no issuer: %q", got)
	}
}

func TestThereIsAdviceOnEachReason(t *testing.T) {
	reasons := []responder.Kind{
		responder.KindURL, responder.KindDNS, responder.KindConnect, responder.KindTLS, responder.KindProxy, responder.KindTimeout,
		responder.KindInterrupted, responder.KindHTTP, responder.KindRedirect, responder.KindTooLarge,
	}
	for _, r := range staple.Reasons() {
		if r != staple.IsRevoked && r != staple.IsUnknown { // those are states
			reasons = append(reasons, responder.Kind(r))
		}
	}
	for _, r := range reasons {
		if advice(agent.Certificate{State: agent.Missing, Reason: string(r)}) == "" {
			t.Errorf("there is none on %s", r)
		}
	}
}

func TestAdviceOnSnippetsThatMeet(t *testing.T) {
	c := agent.Certificate{State: agent.PathConflict, Error: "its snippet /x.conf is already that of /a.pem"}
	if got := advice(c); !strings.Contains(got, "`snippet:`") {
		t.Errorf("got %q", got)
	}
}
