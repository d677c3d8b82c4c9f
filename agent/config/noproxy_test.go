package config

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/http/httpproxy"
)

// direct reports whether the library asks u without a proxy if entry is all
// that stands in no_proxy.
func direct(t *testing.T, entry, u string) bool {
	t.Helper()
	parsed, err := url.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	c := httpproxy.Config{HTTPProxy: "http://proxy.example", HTTPSProxy: "http://proxy.example", NoProxy: entry}
	proxy, err := c.ProxyFunc()(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return proxy == nil
}

func noProxyOf(t *testing.T, entry string) (got string, wrong Problems) {
	t.Helper()
	c, err := Parse("restaple.yaml", []byte("proxy: http://p\nno_proxy: ['"+entry+"']"))
	if err == nil {
		return c.NoProxy, nil
	}
	wrong, ok := err.(Problems)
	if !ok {
		t.Fatal(err)
	}
	return "", wrong
}

// TestNoProxyTakesWhatMatches has the library itself say that each entry is of
// use.
func TestNoProxyTakesWhatMatches(t *testing.T) {
	for entry, u := range map[string]string{
		"*":                    "http://ocsp.example/",
		"ocsp.example":         "http://ocsp.example/",
		"OCSP.example":         "http://ocsp.example/",
		"ocsp":                 "http://ocsp/",
		"example":              "http://a.b.example/",
		".example":             "http://ocsp.example/",
		"*.example":            "http://ocsp.example/",
		"ocsp.example:8080":    "http://ocsp.example:8080/",
		".example:80":          "http://ocsp.example/",
		"*.example:443":        "https://ocsp.example/",
		"ocsp.example:":        "http://ocsp.example/",
		"ocsp.example.":        "http://ocsp.example./",
		"my_ca.example":        "http://my_ca.example/",
		"zürich.example":       "http://zürich.example/",
		"xn--zrich-kva.test":   "http://zürich.test/",
		"4.example":            "http://4.example/",
		"123":                  "http://123/",
		"localhost":            "http://localhost/",
		"10.1.2.3":             "http://10.1.2.3/",
		"10.1.2.3:8080":        "http://10.1.2.3:8080/",
		"10.0.0.0/8":           "http://10.1.2.3/",
		"10.1.2.3/8":           "http://10.200.0.1/",
		"2001:db8::1":          "http://[2001:db8::1]/",
		"[2001:db8::1]:80":     "http://[2001:db8::1]/",
		"2001:db8::/32":        "http://[2001:db8::1]/",
		"::ffff:10.1.2.3":      "http://10.1.2.3/",
		"fe80::1":              "http://[fe80::1%25eth0]/",
		"2001:DB8:0:0::0:0001": "http://[2001:db8::1]/",
	} {
		if !direct(t, entry, u) {
			t.Errorf("%s: the library does not ask %s directly", entry, u)
		}
		if got, wrong := noProxyOf(t, entry); got != entry {
			t.Errorf("%s: got %q, %v", entry, got, wrong)
		}
	}
}

func TestNoProxyRefusesWhatMatchesNothing(t *testing.T) {
	const (
		badRange = `must be an address range such as 10.0.0.0/8, got `
		badHost  = `must be one host, domain or address range, got `
		badPort  = `the port must be a number from 1 to 65535, got `
		badStar  = `* stands alone, for every host, or for what is before a domain, as in *.example, got `
	)
	hosts := []string{"ocsp.example", "a.ocsp.example", "foo.example", "10.0.0.1", "10.0.0.10", "[2001:db8::1]", "[fe80::1%25eth0]", "b"}
	for _, test := range []struct{ entry, want string }{
		{"http://ocsp.example", `must be a host, not a URL: write "ocsp.example"`},
		{"https://ocsp.example:8443/x", `must be a host, not a URL: write "ocsp.example:8443"`},
		{"http://u:secret@ocsp.example/", `must be a host, not a URL: write "ocsp.example"`},
		{"http://u:secret@[::1]/", `must be a host, not a URL`},
		{"http://", `must be a host, not a URL`},
		{"ocsp.example/", badHost + `"ocsp.example/"`},
		{"10.0.0.0/33", badRange + `"10.0.0.0/33"`},
		{"10.0.0.0/255.0.0.0", badRange + `"10.0.0.0/255.0.0.0"`},
		{"2001:db8::/129", badHost + `"2001:db8::/129"`},
		{"10.0.0.0/8:80", badRange + `"10.0.0.0/8:80"`},
		{"10.0.0", badRange + `"10.0.0"`},
		{"10.0.0.", badRange + `"10.0.0."`},
		{"10.0.0.256", badRange + `"10.0.0.256"`},
		{"10.0.0.01", badRange + `"10.0.0.01"`},
		{".0.0.1", badRange + `".0.0.1"`},
		{"10.*", badRange + `"10.*"`},
		{"*.0.0.1", badRange + `"*.0.0.1"`},
		{"10.0.0.1-10.0.0.9", badRange + `"10.0.0.1-10.0.0.9"`},
		{"10.0.0.1-9", badRange + `"10.0.0.1-9"`},
		{"[2001:db8::1]", `brackets are for an address with a port, write "2001:db8::1"`},
		{"[2001:db8::1", `brackets are for an address with a port, write "2001:db8::1"`},
		{"2001:db8:::1", badHost + `"2001:db8:::1"`},
		{"fe80::1%eth0", `a zone is not compared, write "fe80::1"`},
		{"ocsp.example:http", badPort + `"ocsp.example:http"`},
		{"ocsp.example:0", badPort + `"ocsp.example:0"`},
		{"10.0.0.1:65536", badPort + `"10.0.0.1:65536"`},
		{"ocsp.example:80:81", badHost + `"ocsp.example:80:81"`},
		{":80", badHost + `":80"`},
		{"[]:80", badHost + `"[]:80"`},
		{"*:80", `a port does not count with *, leave it out`},
		{"*foo.example", badStar + `"*foo.example"`},
		{"ocsp.*", badStar + `"ocsp.*"`},
		{"**.example", badStar + `"**.example"`},
		{"*.*.example", badStar + `"*.*.example"`},
		{".", badHost + `"."`},
		{"*.", badHost + `"*."`},
		{"..example", badHost + `"..example"`},
		{"ocsp..example", badHost + `"ocsp..example"`},
		{"ocsp.example;b", badHost + `"ocsp.example;b"`},
		{"ocsp.example b", badHost + `"ocsp.example b"`},
		{"ocsp.example,b", badHost + `"ocsp.example,b"`},
		{"<local>", badHost + `"<local>"`},
	} {
		_, wrong := noProxyOf(t, test.entry)
		if wrong == nil {
			t.Errorf("%s is taken", test.entry)
			continue
		}
		if got, want := wrong.Error(), "restaple.yaml:2: no_proxy[0]: "+test.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.entry, got, want)
		}
		if strings.Contains(test.entry, ",") {
			continue // two entries to the library
		}
		for _, host := range hosts {
			if u := "http://" + host + "/"; direct(t, test.entry, u) {
				t.Errorf("%s: the library asks %s directly", test.entry, u)
			}
		}
	}
}
