package responder

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// GuardOptions are the operator's part of the address guard.
type GuardOptions struct {
	Strict bool           // refuse private ranges, too
	Allow  []netip.Prefix // let through although refused otherwise
	Deny   []netip.Prefix // refuse; wins over Allow
}

// Guard decides which addresses a URL from a certificate may lead to. It is
// asked for the address that is really dialled, after DNS, so that a name that
// changes its address between two look-ups gets no further. Through an HTTP
// proxy it sees only addresses that stand in the URL itself.
type Guard struct {
	allow, deny []netip.Prefix
	refused     []class
}

// class is a range that is refused, and what to call it.
type class struct {
	prefix netip.Prefix
	name   string
}

// AddressError is the refusal of an address.
type AddressError struct {
	Addr  netip.Addr
	Class string // "loopback", "link-local", …; "denied" if the deny list has it

	// Prefix is what refused it, in Addr's own family or in that of the
	// IPv4 address within.
	Prefix netip.Prefix
}

// Error implements error and names the setting that decides.
func (e *AddressError) Error() string {
	if e.Class == classDenied {
		return fmt.Sprintf("address %s is refused by deny: [%s]", e.Addr, e.Prefix)
	}
	return fmt.Sprintf("address %s is refused as %s; allow: [%s] (--allow %s) would let it through",
		e.Addr, e.Class, e.Prefix, e.Prefix)
}

const classDenied = "denied"

// alwaysRefused is what no responder can be at and what an attacker would
// like to reach through us.
func alwaysRefused() []class {
	return classes(
		"unspecified", "0.0.0.0/8", "unspecified", "::/128",
		"loopback", "127.0.0.0/8", "loopback", "::1/128",
		"link-local", "169.254.0.0/16", "link-local", "fe80::/10",
		"multicast", "224.0.0.0/4", "multicast", "ff00::/8",
		"broadcast", "255.255.255.255/32",
		// Where clouds hand out credentials outside link-local: AWS and
		// Google over IPv6, Alibaba, Oracle, Azure.
		"cloud metadata", "fd00:ec2::254/128", "cloud metadata", "fd20:ce::254/128",
		"cloud metadata", "100.100.100.200/32", "cloud metadata", "192.0.0.192/32",
		"cloud metadata", "168.63.129.16/32",
	)
}

// strictlyRefused is where private PKIs live, and other people's intranets.
func strictlyRefused() []class {
	return classes(
		"private", "10.0.0.0/8", "private", "172.16.0.0/12", "private", "192.168.0.0/16",
		"private", "fc00::/7", "private", "fec0::/10", "private", "100.64.0.0/10",
		"reserved", "192.0.0.0/24", "reserved", "198.18.0.0/15", "reserved", "240.0.0.0/4",
	)
}

func classes(pairs ...string) []class {
	list := make([]class, 0, len(pairs)/2)
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, class{netip.MustParsePrefix(pair[1]), pair[0]})
	}
	return list
}

// NewGuard returns a guard. With no options it refuses loopback, link-local,
// multicast, unspecified and cloud metadata addresses.
func NewGuard(o GuardOptions) *Guard {
	g := &Guard{allow: plain(o.Allow), deny: plain(o.Deny), refused: alwaysRefused()}
	if o.Strict {
		g.refused = append(g.refused, strictlyRefused()...)
	}
	return g
}

// plain turns IPv4 prefixes written as IPv6 into what they mean, since they
// would match nothing.
func plain(prefixes []netip.Prefix) []netip.Prefix {
	list := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		list = append(list, p.Masked())
	}
	return list
}

// Check returns an *AddressError if a is not to be connected to. An IPv6
// address that carries an IPv4 address is refused for either.
func (g *Guard) Check(a netip.Addr) error {
	a = a.WithZone("").Unmap() // a Prefix contains no address with a zone
	forms := append(embedded(a), a)
	for _, f := range forms {
		if i := slices.IndexFunc(g.deny, contains(f)); i >= 0 {
			return &AddressError{Addr: a, Class: classDenied, Prefix: g.deny[i]}
		}
	}
	if slices.ContainsFunc(g.allow, contains(a)) {
		return nil
	}
	for _, f := range forms {
		if slices.ContainsFunc(g.allow, contains(f)) {
			continue
		}
		for _, c := range g.refused {
			if c.prefix.Contains(f) {
				return &AddressError{Addr: a, Class: c.name, Prefix: c.prefix}
			}
		}
	}
	return nil
}

// addressIn returns the address that stands in a URL's host. Whoever resolves it
// may well take "0x7f.1" and "2130706433" for one, as inet_aton does, and
// "localhost" for another.
func addressIn(host string) (netip.Addr, bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 section 6.3
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a, true
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var v4 [4]byte
	for i, part := range parts {
		if strings.Trim(part, "0123456789abcdefx") != "" || strings.HasPrefix(part, "0b") {
			return netip.Addr{}, false // ParseUint knows more ways to write a number
		}
		bits := 8
		if i == len(parts)-1 {
			bits = 32 - 8*i // the last one fills what is left
		}
		n, err := strconv.ParseUint(part, 0, bits)
		if err != nil {
			return netip.Addr{}, false
		}
		binary.BigEndian.PutUint32(v4[:], binary.BigEndian.Uint32(v4[:])|uint32(n)<<(32-8*i-bits))
	}
	return netip.AddrFrom4(v4), true
}

func contains(a netip.Addr) func(netip.Prefix) bool {
	return func(p netip.Prefix) bool { return p.Contains(a) }
}

// embedded returns the IPv4 addresses that a packet to an IPv6 address may end
// at, by any of the ways there have been to carry one in the other.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	within := func(prefix string) bool { return netip.MustParsePrefix(prefix).Contains(a) }
	switch {
	case within("::/96"): // IPv4-compatible, RFC 4291 section 2.5.5.1
		if within("::/127") {
			return nil // unspecified and loopback have their own names
		}
		return []netip.Addr{at(12)}
	case within("::ffff:0:0:0/96"): // IPv4-translated, RFC 2765
		return []netip.Addr{at(12)}
	case within("64:ff9b::/96"): // NAT64, RFC 6052
		return []netip.Addr{at(12)}
	case within("64:ff9b:1::/48"): // NAT64 of a site, RFC 8215: any length of RFC 6052 section 2.2
		return siteNAT64(b)
	case within("2002::/16"): // 6to4, RFC 3056
		return []netip.Addr{at(2)}
	case within("2001::/32"): // Teredo, RFC 4380: server, and client with its bits flipped
		return []netip.Addr{at(4), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
	case strings.HasPrefix(string(b[8:]), "\x00\x00\x5e\xfe"), // ISATAP, RFC 5214
		strings.HasPrefix(string(b[8:]), "\x02\x00\x5e\xfe"):
		return []netip.Addr{at(12)}
	}
	return nil
}

// siteNAT64 returns what b carries by each length of prefix that leaves the
// rest zero, as it must be (RFC 6052 section 2.2; octet 8 is skipped).
func siteNAT64(b [16]byte) []netip.Addr {
	var list []netip.Addr
	add := func(v4 [4]byte, rest []byte) {
		if v4 != [4]byte{} && !slices.ContainsFunc(rest, func(o byte) bool { return o != 0 }) {
			list = append(list, netip.AddrFrom4(v4))
		}
	}
	add([4]byte{b[6], b[7], b[9], b[10]}, b[11:])
	add([4]byte{b[7], b[9], b[10], b[11]}, b[12:])
	add([4]byte{b[9], b[10], b[11], b[12]}, b[13:])
	add([4]byte(b[12:]), nil)
	return list
}
