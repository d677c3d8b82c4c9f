package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// noProxy is a list of hosts, domains, addresses and address ranges, as
// golang.org/x/net/http/httpproxy takes them. That says nothing of entries that
// match nothing, and what they were to spare goes by the proxy.
func (v value) noProxy() string {
	hosts := list(v, func(v value) (string, bool) {
		s, ok := v.text()
		if !ok {
			return "", false
		}
		if wrong := matchesNothing(s); wrong != "" {
			v.fail("%s", wrong)
			return "", false
		}
		return s, true
	})
	return strings.Join(hosts, ",")
}

// matchesNothing says why an entry of no_proxy matches no host whatever, and
// what to write; "" if it may match one.
func matchesNothing(s string) string {
	if s == "*" {
		return ""
	}
	if _, _, err := net.ParseCIDR(s); err == nil {
		return ""
	}
	if strings.Contains(s, "://") {
		return notURL(s)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, ""
	}
	if inner, ok := strings.CutPrefix(host, "["); ok && net.ParseIP(strings.TrimSuffix(inner, "]")) != nil {
		return fmt.Sprintf("brackets are for an address with a port, write %s", quoted(strings.TrimSuffix(inner, "]")))
	}
	if port != "" && !validPort(port) {
		return fmt.Sprintf("the port must be a number from 1 to 65535, got %s", quoted(s))
	}
	if net.ParseIP(host) != nil {
		return ""
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return fmt.Sprintf("a zone is not compared, write %s", quoted(a.WithZone("").String()))
	}
	if host == "*" {
		return "a port does not count with *, leave it out"
	}
	name := strings.TrimPrefix(strings.TrimPrefix(host, "*"), ".")
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	const digits = "0123456789"
	isNumber := strings.Trim(labels[len(labels)-1], digits) == "" || strings.Trim(name, digits+".*-/") == ""
	switch {
	case len(labels) > 1 && isNumber:
		return fmt.Sprintf("must be an address range such as 10.0.0.0/8, got %s", quoted(s)) // not 10.0.0, 10.* or 10.0.0.0/33
	case strings.Contains(name, "*"), strings.HasPrefix(host, "*") && !strings.HasPrefix(host, "*."):
		return fmt.Sprintf("* stands alone, for every host, or for what is before a domain, as in *.example, got %s", quoted(s))
	case slices.Contains(labels, ""), strings.ContainsFunc(name, notOfNames):
		return fmt.Sprintf("must be one host, domain or address range, got %s", quoted(s))
	}
	return ""
}

// notURL is advice for who has written a URL. It does not show more of it than
// the host: there may be a password in it.
func notURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || matchesNothing(u.Host) != "" {
		return "must be a host, not a URL"
	}
	return fmt.Sprintf("must be a host, not a URL: write %s", quoted(u.Host))
}

// notOfNames reports whether r is in no name of a host. Underscores are in
// some, and what is not ASCII is translated.
func notOfNames(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r >= utf8.RuneSelf:
		return false
	}
	return r != '-' && r != '_' && r != '.'
}
