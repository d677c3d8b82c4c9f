package main

import (
	"net/http"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/profile"
)

// advice says what a person can do about a certificate that is not well, or ""
// if there is nothing to do or the error says it already.
func advice(c agent.Certificate) string {
	switch c.State {
	case agent.NoIssuer:
		put := "put the issuer's certificate into the same file, or beside it as " + c.Path + ".issuer, chain.pem or ca.crt, or name a directory with `issuers:`"
		if c.Reason == "proxy" {
			put += "; to have it fetched, " + forFailure(c)
		}
		return put
	case agent.Revoked:
		if p, err := profile.ByName(c.Server); err == nil && (p.Withdraw[profile.Revoked] == "" || p.Withdraw[profile.Revoked] == profile.Leave) {
			return "get a new certificate; a good staple of this one stays till its end, since " + p.Name + " cannot be made to give it up"
		}
		return "get a new certificate; the staple of this one is withdrawn unless `on_revoked:` says otherwise"
	case agent.Unknown:
		return "the responder does not know this certificate: a new one may take 15 minutes; otherwise ask the CA"
	case agent.NoResponder:
		if c.MustStaple {
			return "the certificate demands a staple and names no responder: name one with `responder:`, or get one without must-staple"
		}
		return "no OCSP responder in this certificate: nothing to do"
	case agent.NotWritable:
		if strings.Contains(c.Error, unix.ENOSPC.Error()) || strings.Contains(c.Error, unix.EDQUOT.Error()) {
			return "make room on that file system: a staple has a few KiB, and stands beside the old one for a moment"
		}
		return "let restaple's user write there, or place staples elsewhere with `staple:`, such as /var/lib/restaple/staples/{path}.ocsp"
	case agent.Unreadable:
		if strings.Contains(c.Error, unix.EACCES.Error()) {
			return "let restaple's user or group read the certificate"
		}
		return "" // the error says what is wrong with the file
	case agent.PathConflict:
		return "give each certificate its own staple with `staple:`, such as {path}.ocsp"
	}
	if c.OK {
		return ""
	}
	return forFailure(c)
}

// forFailure is advice about the last request that failed.
func forFailure(c agent.Certificate) string {
	switch {
	case c.Reason == "tls" && strings.Contains(c.Error, "remote error"):
		return "the responder ends the TLS handshake: it may want to know us by `client_cert:` and `client_key:` for this host"
	case c.Reason == "proxy" && strings.Contains(c.Error, http.StatusText(http.StatusProxyAuthRequired)):
		return "the proxy wants to know who asks: write http://USER:PASSWORD@HOST:PORT in `proxy:`, or in HTTP_PROXY"
	}
	return byReason[c.Reason]
}

// byReason is advice for the reasons of package staple and the kinds of
// package responder.
var byReason = map[string]string{
	"bad-url":                  "the certificate names no responder that can be asked by HTTP: name one with `responder:`",
	"dns":                      "the responder's name does not resolve here: check DNS, or name another responder with `responder:`",
	"connect":                  "nothing listens at the responder's address, or a firewall refuses: check the egress rules, or name a proxy with `proxy:`",
	"timeout":                  "the responder, or a firewall on the way, does not answer in time: check the egress rules, or name a proxy with `proxy:`",
	"proxy":                    "check `proxy:`, or HTTP_PROXY and NO_PROXY in the environment",
	"tls":                      "the responder's own certificate does not verify: name its CA with `ca_file:` for this host",
	"responder-error":          "the responder refuses to answer: ask whoever runs it",
	"bad-signature":            "the response was changed on its way, or signed with another key: ask whoever runs the responder",
	"responder-not-authorized": "the response is signed by a certificate that the issuer has not authorized for OCSP: ask whoever runs the responder",
	"no-match":                 "the response is about another certificate: ask whoever runs the responder, or check `responder:`",
	"wrong-issuer":             "the response is about another issuer's certificate: check the issuer in the chain, and `responder:`",
	"expired":                  "the responder hands out old responses: ask whoever runs it; check this machine's clock too",
	"not-yet-valid":            "the responder's clock is ahead of this machine's: check both",
	"malformed":                "what answers is no OCSP responder, perhaps a proxy or a login page: open the URL by hand",
}
