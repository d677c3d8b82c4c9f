package prove

import (
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// The protocols that begin in plain text and turn to TLS when asked.
const SMTP = "smtp"

// Address is a place where a staple is served.
type Address struct {
	HostPort   string // host:port, an IPv6 address in brackets
	ServerName string // sent as SNI; "": the host, unless that is an IP address
	StartTLS   string // SMTP, or "" for TLS from the first octet
}

// smtpPort is where mail servers talk to each other (RFC 5321 section 4.5.4.2).
const smtpPort = "25"

// ParseAddress reads an address as it stands in the configuration:
//
//	www.example:443               TLS from the start
//	10.0.0.7:8443#www.example     another server name than the host
//	[::1]:443
//	smtp://mx.example:25          STARTTLS; port 25 may be left out
//	smtp://10.0.0.7#mx.example
func ParseAddress(s string) (Address, error) {
	wrong := func(format string, args ...any) (Address, error) {
		return Address{}, fmt.Errorf("%s, got %q", fmt.Sprintf(format, args...), s)
	}
	var a Address
	rest, name, named := strings.Cut(s, "#")
	if named && !IsServerName(name) {
		return wrong("what follows # must be a server name such as www.example")
	}
	a.ServerName = name
	if scheme, after, ok := strings.Cut(rest, "://"); ok {
		if scheme != SMTP {
			return wrong("%s:// is not known, want host:port or smtp://host:port", scheme)
		}
		a.StartTLS, rest = SMTP, after
		if _, _, err := net.SplitHostPort(rest); err != nil && strings.Contains(err.Error(), "missing port") {
			rest = net.JoinHostPort(strings.Trim(rest, "[]"), smtpPort)
		}
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ \t\r\n") {
		return wrong("must be host:port such as www.example:443 or [::1]:443")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return wrong("the port must be between 1 and 65535")
	}
	a.HostPort = net.JoinHostPort(host, port)
	return a, nil
}

// IsServerName is about what can be sent as SNI (RFC 6066 section 3): a name
// of letters, digits, dots and hyphens, not an IP address. Underscores are no
// host names, but servers are called so.
func IsServerName(s string) bool {
	if s == "" || len(s) > 253 || net.ParseIP(s) != nil {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
		default:
			return false
		}
	}
	return true
}

// String is what ParseAddress reads.
func (a Address) String() string {
	s := a.HostPort
	if a.StartTLS != "" {
		s = a.StartTLS + "://" + s
	}
	if a.ServerName != "" {
		s += "#" + a.ServerName
	}
	return s
}

// SNI is the name that the handshake asks for; "" for none.
func (a Address) SNI() string {
	if a.ServerName != "" {
		return a.ServerName
	}
	host, _, err := net.SplitHostPort(a.HostPort)
	if err != nil || !IsServerName(strings.TrimSuffix(host, ".")) {
		return ""
	}
	return host
}

// IsFor reports whether a certificate is for a server name. It also goes by the
// common name where there are no names, as private PKIs like it.
func IsFor(cert *x509.Certificate, name string) bool {
	return cert.VerifyHostname(name) == nil || len(cert.DNSNames) == 0 && strings.EqualFold(cert.Subject.CommonName, name)
}
