package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/watcher/chain"
)

// nothingFound is advice where paths are there and lead to no certificate.
const nothingFound = "there is no certificate where the paths lead: check them; directories below are looked into with --recursive (`recursive:`) only"

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
		if strings.Contains(c.Error, chain.ErrNotChain.Error()) {
			return "name the file with the server's certificate: in this one there are only keys, CA certificates, or other things"
		}
		return "" // the error says what is wrong with the file
	case agent.PathConflict:
		if strings.HasPrefix(c.Error, "its snippet") {
			return "give each certificate a snippet of its own with `snippet:`, such as /etc/nginx/staple.d/{path}.conf: a {name} may occur in several directories"
		}
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
	case c.Reason == "tls" && strings.Contains(c.Error, "client_cert:"):
		return "our own certificate for this host cannot be read, or the key is not its own: put both in their places, they are read each time"
	case c.Reason == "tls" && strings.Contains(c.Error, "protocol version"):
		return "the responder speaks no TLS from 1.2 on: ask whoever runs it, or use its http: URL, for responses are signed"
	case c.Reason == "tls" && strings.Contains(c.Error, "does not look like a TLS handshake"):
		return "what answers there speaks no TLS: use its http: URL, or check the port"
	case c.Reason == "tls" && strings.Contains(c.Error, "remote error"):
		return "the responder ends the TLS handshake: it may want to know us by `client_cert:` and `client_key:` for this host"
	case c.Reason == "proxy" && strings.Contains(strings.ToLower(c.Error), "authentication"): // of HTTP and of SOCKS
		return "the proxy wants to know who asks: write USER:PASSWORD@ before its host in `proxy:`, or in HTTP_PROXY"
	case c.Reason == "http":
		return forStatus(c.Error)
	}
	return byReason[c.Reason]
}

// forStatus is advice about a status of HTTP other than 200, which is named in
// the error.
func forStatus(err string) string {
	said := func(status ...int) bool {
		return slices.ContainsFunc(status, func(s int) bool { return strings.Contains(err, strconv.Itoa(s)+" "+http.StatusText(s)) })
	}
	switch {
	case said(http.StatusUnauthorized, http.StatusForbidden):
		return "the responder does not let us in: name what it wants with `headers:` or `client_cert:` for this host, or ask whoever runs it"
	case said(http.StatusTooManyRequests, http.StatusServiceUnavailable):
		return "the responder is busy or down, and is asked again by itself: ask whoever runs it if it stays so, or set a `rate:` for this host"
	case said(http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout):
		return "the responder, or a proxy before it, is broken: ask whoever runs it"
	}
	return "what answers at this URL is perhaps no OCSP responder: ask whoever runs it, or name another with `responder:`"
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
	"interrupted":              "the responder, or a firewall on the way, ends the connection too early: ask whoever runs them if it stays so",
	"redirect":                 "the URL redirects in circles, or to nowhere: open it by hand, or name the right one with `responder:`",
	"too-large":                "an OCSP response has a few KiB: ask whoever runs the responder what it sends",
	"weak-algorithm":           "the response is signed in a way that is not safe: ask whoever runs the responder",
	"critical-extension":       "the response holds an extension that nobody may ignore: ask whoever runs the responder",
	"bad-window":               "the times in the response are nonsense: ask whoever runs the responder",
	"bad-produced-at":          "the times in the response are nonsense: ask whoever runs the responder; check this machine's clock too",
	"malformed":                "what answers is no OCSP responder, perhaps a proxy or a login page: open the URL by hand",
}
