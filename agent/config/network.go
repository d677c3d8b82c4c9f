package config

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// checkURL reports whether s is a URL with one of schemes. It does not show s:
// there may be a password or a token in it.
func (v value) checkURL(s, example string, schemes ...string) bool {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "" || !validPort(u.Port()):
		v.fail("must be a URL such as %s", example)
	case !slices.Contains(schemes, u.Scheme):
		v.fail("must begin with one of %s://, got %s://", strings.Join(schemes, "://, "), u.Scheme)
	case u.Fragment != "":
		v.fail("must not have a fragment (#…)")
	default:
		return true
	}
	return false
}

// validPort reports whether a port may stand in a URL; "" is the scheme's own.
func validPort(s string) bool {
	if s == "" {
		return true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// webURL is an http or https URL.
func (v value) webURL() (string, bool) {
	s, ok := v.text()
	return s, ok && v.checkURL(s, "http://ocsp.example/", "http", "https")
}

// proxy is a proxy's URL, or Direct.
func (v value) proxy() (string, bool) {
	s, ok := v.text()
	if !ok || s == Direct {
		return s, ok
	}
	return s, v.checkURL(s, "http://proxy.example:3128", "http", "https", "socks5", "socks5h")
}

// addressRange is a CIDR, or one address.
func (v value) addressRange() (netip.Prefix, bool) {
	s, ok := v.text()
	if !ok {
		return netip.Prefix{}, false
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), true
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	v.fail("must be an address range such as 10.0.0.0/8, got %s", quoted(s))
	return netip.Prefix{}, false
}

// hostPort is a place to connect to.
func (v value) hostPort() (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || port == "" || !validPort(port) {
		v.fail("must be host:port such as www.example:443, got %s", quoted(s))
		return "", false
	}
	return s, true
}

// listen is a place to listen at: unix:/path or host:port, where the host may
// be left out and port 0 means any.
func (v value) listen() (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	if path, isUnix := strings.CutPrefix(s, "unix:"); isUnix {
		if !strings.HasPrefix(path, "/") {
			v.fail("must be an absolute path after unix:, got %s", quoted(s))
			return "", false
		}
		return s, true
	}
	if _, port, err := net.SplitHostPort(s); err != nil || port != "0" && (port == "" || !validPort(port)) {
		v.fail("must be unix:/path or host:port such as 127.0.0.1:9110, got %s", quoted(s))
		return "", false
	}
	return s, true
}

// socket is where a server takes commands: a path, also after unix:, or
// host:port.
func (v value) socket() (string, bool) {
	s, ok := v.text()
	if path, isUnix := strings.CutPrefix(s, "unix:"); ok && isUnix {
		return v.pathOf(path)
	}
	if !ok || !strings.Contains(s, "/") {
		if ok && strings.Contains(s, ":") {
			return v.hostPort()
		}
	}
	return v.filePath()
}

// reservedHeaders are set by the HTTP client.
var reservedHeaders = []string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection"}

// headers are HTTP header fields. Their values are not shown: they are there
// for tokens.
func (v value) headers() (http.Header, bool) {
	headers := make(http.Header)
	v.pairs(func(name string, line int, v value) {
		value, ok := v.scalar("text")
		switch {
		case !ok:
		case !httpguts.ValidHeaderFieldName(name):
			v.failAt(line, "is no name of a header field")
		case slices.Contains(reservedHeaders, http.CanonicalHeaderKey(name)):
			v.failAt(line, "this header field cannot be set")
		case !httpguts.ValidHeaderFieldValue(value):
			v.fail("the value is not allowed in a header field")
		default:
			headers.Add(name, value)
		}
	})
	return headers, true
}
