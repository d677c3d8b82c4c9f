package responder

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

// spiky has +, / and padding in its base64: "+++/fw==" or so.
var spiky = []byte{0xfb, 0xef, 0xbf, 0xff, 0xff, 0x7f, 0xfb}

func TestGETPathHasTheRequestEscaped(t *testing.T) {
	const request = "%2B%2B%2B%2F%2F%2F9%2F%2Bw%3D%3D"
	for _, row := range []struct{ name, base, want string }{
		{"no path", "http://r.example", "/" + request},
		{"a slash", "http://r.example/", "/" + request},
		{"a path", "http://r.example/ocsp", "/ocsp/" + request},
		{"a path with a slash", "http://r.example/ocsp/", "/ocsp/" + request},
		{"two slashes", "http://r.example/ocsp//", "/ocsp/" + request},
		{"an escape in the path", "http://r.example/a%2Fb", "/a%2Fb/" + request},
		{"a space in the path", "http://r.example/a b", "/a%20b/" + request},
	} {
		t.Run(row.name, func(t *testing.T) {
			base, err := parseURL(row.base)
			if err != nil {
				t.Fatal(err)
			}
			got, short := getURL(base, spiky)
			if got == nil || !short {
				t.Fatalf("got %v, short %v", got, short)
			}
			if got.RequestURI() != row.want {
				t.Errorf("got %s, want %s", got.RequestURI(), row.want)
			}
		})
	}
}

func TestGETIsForURLsOfAtMost255Octets(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		encoded := url.QueryEscape(base64.StdEncoding.EncodeToString(spiky))
		room := 255 - len(scheme+"://r.example:8080/"+"/"+encoded)
		for _, row := range []struct {
			extra int
			want  bool
		}{{-1, true}, {0, true}, {1, false}} {
			base, err := parseURL(scheme + "://r.example:8080/" + strings.Repeat("x", room+row.extra))
			if err != nil {
				t.Fatal(err)
			}
			u, short := getURL(base, spiky)
			if short != row.want {
				t.Errorf("%d octets: short is %v, want %v", len(u.String()), short, row.want)
			}
		}
	}
}

func TestURLWithAQueryHasNoGET(t *testing.T) {
	for _, raw := range []string{"http://r.example/?id=1", "http://r.example/ocsp?"} {
		base, err := parseURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		if u, _ := getURL(base, spiky); u != nil {
			t.Errorf("%s: got %s, want none", raw, u)
		}
	}
}

func TestHostNamesOneResponder(t *testing.T) {
	for raw, want := range map[string]string{
		"http://OCSP.Example/x":        "ocsp.example",
		"http://ocsp.example:80/":      "ocsp.example",
		"https://ocsp.example:443":     "ocsp.example",
		"https://ocsp.example:80":      "ocsp.example:80",
		"http://ocsp.example:8080/y#z": "ocsp.example:8080",
		"http://u:p@ocsp.example/":     "ocsp.example",
		"http://[2001:DB8::1]/":        "[2001:db8::1]",
		"http://[2001:db8::1]:81/":     "[2001:db8::1]:81",
		"ldap://ocsp.example/":         "",
		"http:///path":                 "",
		"http:opaque":                  "",
		"http://a b/":                  "",
		"":                             "",
	} {
		if got := Host(raw); got != want {
			t.Errorf("Host(%q): got %q, want %q", raw, got, want)
		}
	}
}

func TestBadURLsAreSaidWithoutPasswords(t *testing.T) {
	c := newClient(t, Options{})
	for _, raw := range []string{
		"ldap://u:hunter2@r.example/", "http://u:hunter2@", "http://u:hunter2@r.example:port/", "://u:hunter2@", "r.example",
	} {
		e := askError(t, c, Query{URL: raw}, KindURL)
		if strings.Contains(e.Error(), "hunter2") {
			t.Errorf("%q: the error has the password: %v", raw, e)
		}
		_, err := c.FetchIssuer(t.Context(), raw)
		checkError(t, nil, err, KindURL)
	}
}

func FuzzGETURL(f *testing.F) {
	f.Add("http://r.example/ocsp", spiky)
	f.Add("https://r.example:8443//a%2fb/", []byte{0x30, 3, 10, 1, 3})
	f.Add("http://u:p@[::1]/é/", []byte{})
	f.Fuzz(func(t *testing.T, raw string, request []byte) {
		Redact(raw)
		base, err := parseURL(raw)
		if err != nil {
			return
		}
		u, short := getURL(base, request)
		if u == nil {
			return
		}
		again, err := url.Parse(u.Scheme + "://r.example" + u.RequestURI())
		if err != nil {
			t.Fatalf("%q leads to %q: %v", raw, u, err)
		}
		encoded := again.EscapedPath()[strings.LastIndexByte(again.EscapedPath(), '/')+1:]
		plain, err := url.PathUnescape(encoded)
		if err != nil {
			t.Fatal(err)
		}
		got, err := base64.StdEncoding.DecodeString(plain)
		if err != nil || !bytes.Equal(got, request) {
			t.Fatalf("%q: the path has %x (%v), want %x", u, got, err, request)
		}
		if total := len(u.Scheme + "://" + u.Host + u.RequestURI()); short != (total <= 255) {
			t.Fatalf("%q has %d octets, short is %v", u, total, short)
		}
	})
}
