package main

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/staple"
)

// warningsAbout says what is odd about the certificate that a server presents
// when it is asked for a name; "": for none. Its staple may be good all the same.
func warningsAbout(cert *x509.Certificate, name string, now time.Time) (out []string) {
	switch {
	case now.After(cert.NotAfter):
		out = append(out, "the certificate has expired")
	case now.Before(cert.NotBefore):
		out = append(out, "the certificate is not valid before "+when(cert.NotBefore))
	}
	if name != "" && !prove.IsFor(cert, name) {
		out = append(out, fmt.Sprintf("the certificate is not for %s: the server may not know this name", name))
	}
	return out
}

// checkAdvice says what a person can do about what a check has found, or "" if
// there is nothing to do.
func checkAdvice(o prove.Options, f prove.Finding, file *stapleFile) string {
	switch f.Result {
	case prove.Nothing, prove.NoneServed:
		switch {
		case f.Leaf == nil:
			return ""
		case time.Now().After(f.Leaf.NotAfter):
			return "renew the certificate"
		case len(f.Leaf.Responders) == 0 && (file == nil || len(file.responders) == 0):
			return "the certificate names no responder: have another asked with `responder:`, or get a certificate that names one"
		case f.Same:
			return "restaple refresh PATH gets one, or says why there can be none"
		}
		return "is stapling switched on in the server, and was it reloaded since the staple is there?"
	case prove.Placeholder:
		return "the placeholder stands in while there is no staple; once there is one, reload the server"
	case prove.OlderServed:
		return "reload the server, or name a hook that does"
	case prove.NotOnDisk:
		if file != nil && file.certificate == "" && len(file.content) > 0 && !staple.IsPlaceholder(file.content) {
			return "is the file that --staple names that of this certificate?"
		}
		return "reload the server if the staple was withdrawn; restaple refresh PATH gets one"
	case prove.OtherLeaf:
		return "reload the server if the certificate was renewed; otherwise check --servername, --key-type and the paths (-r looks below them)"
	case prove.Mismatch:
		return "reload the server after its certificate was renewed; one file cannot serve an RSA and an ECDSA certificate"
	case prove.Ended:
		return "get a new staple with restaple refresh PATH, and reload the server"
	case prove.Revoked:
		return "get a new certificate"
	case prove.NoIssuer:
		if len(o.Issuers) > 0 {
			return "the certificate that --issuer names has not signed this one: name the one that did"
		}
		return "name the issuer's certificate with --issuer FILE"
	case prove.NoHandshake:
		return handshakeAdvice(o)
	}
	return ""
}

func handshakeAdvice(o prove.Options) string {
	const stopped = "a server may have stopped speaking TLS because of its staple file, see its log"
	switch {
	case o.KeyType != "":
		return "has the server a certificate with this kind of key, and does it speak TLS 1.2? try without --key-type; " + stopped
	case o.StartTLS != "":
		return "is this the port of a mail server that offers STARTTLS? port 465 speaks TLS from the start; " + stopped
	}
	return "is this a TLS port? a mail server's may want --starttls smtp; " + stopped
}
