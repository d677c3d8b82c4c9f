package responder

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	open := GuardOptions{}
	strict := GuardOptions{Strict: true}
	for _, row := range []struct {
		name string
		o    GuardOptions
		addr string
		want string // class; "": let through
	}{
		{"public", open, "93.184.216.34", ""},
		{"public IPv6", open, "2606:2800:220:1::1", ""},
		{"loopback", open, "127.0.0.1", "loopback"},
		{"all of loopback", open, "127.255.255.254", "loopback"},
		{"loopback IPv6", open, "::1", "loopback"},
		{"unspecified", open, "0.0.0.0", "unspecified"},
		{"this network", open, "0.1.2.3", "unspecified"},
		{"unspecified IPv6", open, "::", "unspecified"},
		{"metadata", open, "169.254.169.254", "link-local"},
		{"link-local IPv6", open, "fe80::1", "link-local"},
		{"link-local IPv6 with a zone", open, "fe80::1%eth0", "link-local"},
		{"multicast", open, "224.0.0.251", "multicast"},
		{"multicast IPv6", open, "ff02::1", "multicast"},
		{"broadcast", open, "255.255.255.255", "broadcast"},
		{"metadata of AWS over IPv6", open, "fd00:ec2::254", "cloud metadata"},
		{"metadata of Alibaba", open, "100.100.100.200", "cloud metadata"},

		{"10/8", open, "10.0.0.1", ""},
		{"172.16/12", open, "172.31.255.255", ""},
		{"192.168/16", open, "192.168.1.1", ""},
		{"100.64/10", open, "100.64.0.1", ""},
		{"fc00::/7", open, "fd12:3456::1", ""},
		{"10/8, strict", strict, "10.0.0.1", "private"},
		{"172.16/12, strict", strict, "172.31.255.255", "private"},
		{"beside 172.16/12, strict", strict, "172.32.0.1", ""},
		{"192.168/16, strict", strict, "192.168.1.1", "private"},
		{"100.64/10, strict", strict, "100.127.0.1", "private"},
		{"fc00::/7, strict", strict, "fd12:3456::1", "private"},
		{"public, strict", strict, "93.184.216.34", ""},
		{"public over NAT64, strict", strict, "64:ff9b::5db8:d822", ""},
		{"private over NAT64, strict", strict, "64:ff9b::a00:1", "private"},

		{"allowed", GuardOptions{Allow: prefixes("127.0.0.0/8")}, "127.0.0.1", ""},
		{"allowed, mapped", GuardOptions{Allow: prefixes("127.0.0.0/8")}, "::ffff:127.0.0.1", ""},
		{"allowed as mapped", GuardOptions{Allow: prefixes("::ffff:127.0.0.0/104")}, "127.0.0.1", ""},
		{"allowed with host bits", GuardOptions{Allow: prefixes("10.9.9.9/8"), Strict: true}, "10.1.1.1", ""},
		{"another is allowed", GuardOptions{Allow: prefixes("127.0.0.0/16")}, "127.1.0.1", "loopback"},
		{"allowed over NAT64", GuardOptions{Strict: true, Allow: prefixes("10.0.0.0/8")}, "64:ff9b::a00:1", ""},
		{"denied", GuardOptions{Deny: prefixes("93.184.0.0/16")}, "93.184.216.34", "denied"},
		{"denied, mapped", GuardOptions{Deny: prefixes("93.184.0.0/16")}, "::ffff:93.184.216.34", "denied"},
		{"denied over NAT64", GuardOptions{Deny: prefixes("10.0.0.0/8")}, "64:ff9b::a00:1", "denied"},
		{"denied and allowed", GuardOptions{Allow: prefixes("10.0.0.0/8"), Deny: prefixes("10.1.0.0/16")}, "10.1.0.1", "denied"},
		{"allowed beside the denied", GuardOptions{Allow: prefixes("127.0.0.0/8"), Deny: prefixes("127.1.0.0/16")}, "127.0.0.1", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := NewGuard(row.o).Check(netip.MustParseAddr(row.addr))
			e, _ := errors.AsType[*AddressError](err)
			got := ""
			if e != nil {
				got = e.Class
			}
			if got != row.want {
				t.Errorf("%s: got %q (%v), want %q", row.addr, got, err, row.want)
			}
		})
	}
}

// carriers are the ways to put an IPv4 address into an IPv6 address.
func carriers(v4 netip.Addr) map[string]netip.Addr {
	b := v4.As4()
	at := func(prefix string, i int) netip.Addr {
		a := netip.MustParseAddr(prefix).As16()
		copy(a[i:], b[:])
		return netip.AddrFrom16(a)
	}
	site := netip.MustParseAddr("64:ff9b:1::").As16()
	site[6], site[7], site[9], site[10] = b[0], b[1], b[2], b[3]
	teredo := netip.MustParseAddr("2001:0:5db8:d822::").As16()
	for i := range b {
		teredo[12+i] = ^b[i]
	}
	return map[string]netip.Addr{
		"mapped":         at("::ffff:0:0", 12),
		"compatible":     at("::", 12),
		"translated":     at("::ffff:0:0:0", 12),
		"NAT64":          at("64:ff9b::", 12),
		"site NAT64/96":  at("64:ff9b:1::", 12),
		"site NAT64/64":  at("64:ff9b:1::", 9),
		"site NAT64/48":  netip.AddrFrom16(site),
		"6to4":           at("2002::", 2),
		"Teredo server":  at("2001::", 4),
		"Teredo client":  netip.AddrFrom16(teredo),
		"ISATAP":         at("2001:db8::5efe:0:0", 12),
		"ISATAP, global": at("2001:db8::200:5efe:0:0", 12),
	}
}

func TestGuardSeesIPv4InIPv6(t *testing.T) {
	g := NewGuard(GuardOptions{})
	for _, v4 := range []string{"127.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0", "100.100.100.200"} {
		for form, a := range carriers(netip.MustParseAddr(v4)) {
			if v4 == "0.0.0.0" && strings.HasPrefix(form, "site") {
				continue // all zero: the prefix itself
			}
			if err := g.Check(a); err == nil {
				t.Errorf("%s as %s: %s was let through", v4, form, a)
			}
		}
	}
	for form, a := range carriers(netip.MustParseAddr("93.184.216.34")) {
		if form == "Teredo server" {
			continue // its client part is 255.255.255.255
		}
		if err := g.Check(a); err != nil {
			t.Errorf("a public address as %s: %v", form, err)
		}
	}
}

func FuzzGuardRefusesEveryForm(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{93, 184, 216, 34})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 16 {
			_ = NewGuard(GuardOptions{Strict: true}).Check(netip.AddrFrom16([16]byte(b)))
		}
		if len(b) != 4 || [4]byte(b) == [4]byte{} {
			return
		}
		v4, g := netip.AddrFrom4([4]byte(b)), NewGuard(GuardOptions{Strict: true})
		if g.Check(v4) == nil {
			return
		}
		for form, a := range carriers(v4) {
			if g.Check(a) == nil {
				t.Errorf("%s is refused, as %s (%s) it is not", v4, form, a)
			}
		}
	})
}

func TestRefusalNamesTheSettingThatDecides(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	refused := NewGuard(GuardOptions{}).Check(loopback).Error()
	for _, want := range []string{"127.0.0.1", "loopback", "allow: [127.0.0.0/8]", "--allow 127.0.0.0/8"} {
		if !strings.Contains(refused, want) {
			t.Errorf("%q does not say %q", refused, want)
		}
	}
	denied := NewGuard(GuardOptions{Deny: prefixes("127.0.0.0/8")}).Check(loopback).Error()
	if want := "deny: [127.0.0.0/8]"; !strings.Contains(denied, want) {
		t.Errorf("%q does not say %q", denied, want)
	}
}

// The guard must hold whatever leads to the address.
func TestGuardHoldsForEachWayToAnAddress(t *testing.T) {
	asked := false
	url := serveFunc(t, func(http.ResponseWriter, *http.Request) { asked = true })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	w := newGuarded(t)
	for name, target := range map[string]string{
		"an address":     url,
		"a name":         "http://localhost:" + port,
		"a mapped one":   "http://[::ffff:127.0.0.1]:" + port,
		"an unspecified": "http://0.0.0.0:" + port,
	} {
		t.Run(name, func(t *testing.T) {
			w.query.URL = target
			askError(t, w.client, w.query, KindRefused)
			_, err := w.client.FetchIssuer(t.Context(), target)
			checkError(t, nil, err, KindRefused)
		})
	}
	t.Run("a redirect", func(t *testing.T) {
		w.query.URL = serve(t, http.RedirectHandler(url, http.StatusFound))
		w.query.Configured = true
		askError(t, w.client, w.query, KindRefused)
	})
	t.Run("a redirect to an issuer", func(t *testing.T) {
		near := serveAt(t, "127.0.0.2:0", http.RedirectHandler(url, http.StatusFound))
		c := newClient(t, Options{Guard: NewGuard(GuardOptions{Allow: prefixes("127.0.0.2/32")})})
		_, err := c.FetchIssuer(t.Context(), "http://"+near.String()+"/ca.cer")
		if e := checkError(t, nil, err, KindRefused); !strings.Contains(e.Error(), "redirected to "+url) {
			t.Errorf("the error does not say where it went: %v", e)
		}
	})
	if asked {
		t.Error("the request went through")
	}
}

// A proxy resolves what stands in the URL, by whatever rules it has.
func TestAddressInAHost(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "127.0.0.1.": "127.0.0.1", "::1": "::1", "fe80::1%lo": "fe80::1%lo",
		"localhost": "127.0.0.1", "LOCALHOST.": "127.0.0.1", "a.localhost": "127.0.0.1",
		"2130706433": "127.0.0.1", "0x7f000001": "127.0.0.1", "0x7F.1": "127.0.0.1", "0177.0.0.1": "127.0.0.1",
		"127.1": "127.0.0.1", "169.254.43518": "169.254.169.254", "0": "0.0.0.0", "4294967295": "255.255.255.255",

		"ocsp.example": "", "localhost.example": "", "4294967296": "", "256.1.1.1": "", "1.2.3.4.5": "", "1..2": "",
		"0x": "", "08.1": "", "-1": "", "1_0": "", "0b1": "", "face.beef": "", "": "", ".": "",
	} {
		got := ""
		if a, ok := addressIn(host); ok {
			got = a.String()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

func TestConfiguredURLIsTrustedForItsOwnHostOnly(t *testing.T) {
	url := serve(t, bodyHandler([]byte{0x30, 3, 10, 1, 3}))
	w := newGuarded(t)
	w.query.URL, w.query.Configured = url, true
	ask(t, w.client, w.query)

	// The kept connection is not for those that the guard has to judge.
	w.query.Configured = false
	askError(t, w.client, w.query, KindRefused)

	w.query.URL, w.query.Configured = serve(t, http.RedirectHandler("/elsewhere", http.StatusFound)), true
	if e := askError(t, w.client, w.query, KindRedirect); !strings.Contains(e.Error(), "/elsewhere") {
		t.Errorf("the error does not say where it went: %v", e)
	}
}

type guarded struct {
	client *Client
	query  Query
}

// newGuarded returns a client with the guard as it is without options.
func newGuarded(t *testing.T) *guarded {
	t.Helper()
	return &guarded{
		client: newClient(t, Options{Guard: NewGuard(GuardOptions{})}),
		query:  Query{Chain: testChain(t)},
	}
}
