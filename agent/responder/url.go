package responder

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// maxGET is how long a URL with the request in it may be; over that it is
// POST (RFC 9919 section 6).
const maxGET = 255

// parseURL takes a URL as a certificate or an operator gives it.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse quotes all of it, with the password.
		return nil, errors.New("not a URL")
	}
	u.Fragment, u.RawFragment = "", ""
	u.Host = strings.ToLower(u.Host)
	return u, checkURL(u)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("scheme %q is neither http nor https", u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("the URL names no host")
	}
	return nil
}

// redact returns a URL fit for logs: without password, not endless.
func redact(u *url.URL) string {
	const enough = 512
	s := u.Redacted()
	if len(s) > enough {
		s = strings.ToValidUTF8(s[:enough], "") + "…"
	}
	return s
}

// Redact returns a URL as it may be shown to people: without its password. What
// is no URL is not shown at all, for a password may then be where no parser finds
// it.
func Redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	return redact(u)
}

// Host names the responder that a URL belongs to: its host in lower case, with
// the port if it is not the scheme's own. It is what lanes and Options.Egress
// go by. It is "" for a URL that cannot be asked.
func Host(raw string) string {
	u, err := parseURL(raw)
	if err != nil {
		return ""
	}
	return hostOf(u)
}

func hostOf(u *url.URL) string {
	port := u.Port()
	if port == "" || port == defaultPort(u.Scheme) {
		if strings.Contains(u.Hostname(), ":") {
			return "[" + u.Hostname() + "]"
		}
		return u.Hostname()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// hostPort is what is dialled for u.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// getURL puts a request into the path of base (RFC 6960 appendix A.1), and
// reports whether that makes at most 255 octets. It is nil if base has a query,
// for which nobody has said how.
func getURL(base *url.URL, request []byte) (u *url.URL, short bool) {
	if base.RawQuery != "" || base.ForceQuery {
		return nil, false
	}
	// QueryEscape, since PathEscape leaves "+" and "=" as they are, and "/"
	// must not be left: many servers make one of "//".
	path := strings.TrimRight(base.EscapedPath(), "/") + "/" +
		url.QueryEscape(base64.StdEncoding.EncodeToString(request))
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, false
	}
	get := *base
	get.Path, get.RawPath = plain, path
	return &get, len(base.Scheme)+len("://")+len(base.Host)+len(path) <= maxGET
}
