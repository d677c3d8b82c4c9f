package prove

import (
	"strings"
	"testing"
)

func TestAddressesAreRead(t *testing.T) {
	for in, want := range map[string]struct {
		Address
		sni string
	}{
		"www.example:443":            {Address{HostPort: "www.example:443"}, "www.example"},
		"10.0.0.7:8443":              {Address{HostPort: "10.0.0.7:8443"}, ""},
		"10.0.0.7:8443#www.example":  {Address{HostPort: "10.0.0.7:8443", ServerName: "www.example"}, "www.example"},
		"[::1]:443":                  {Address{HostPort: "[::1]:443"}, ""},
		"[fe80::1%eth0]:443#a.test":  {Address{HostPort: "[fe80::1%eth0]:443", ServerName: "a.test"}, "a.test"},
		"smtp://mx.example:25":       {Address{HostPort: "mx.example:25", StartTLS: SMTP}, "mx.example"},
		"smtp://mx.example":          {Address{HostPort: "mx.example:25", StartTLS: SMTP}, "mx.example"},
		"smtp://[::1]":               {Address{HostPort: "[::1]:25", StartTLS: SMTP}, ""},
		"smtp://10.0.0.7#mx.example": {Address{HostPort: "10.0.0.7:25", StartTLS: SMTP, ServerName: "mx.example"}, "mx.example"},
	} {
		got, err := ParseAddress(in)
		if err != nil || got != want.Address || got.SNI() != want.sni {
			t.Errorf("%s: got %+v, server name %q, %v", in, got, got.SNI(), err)
		}
		if again, err := ParseAddress(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %+v, %v", in, got, again, err)
		}
	}
}

func TestWrongAddressesAreExplained(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "must be host:port",
		"www.example":            "must be host:port such as www.example:443 or [::1]:443, got",
		":443":                   "must be host:port",
		"::1:443":                "must be host:port",
		"https://www.example/":   "https:// is not known",
		"imap://mx.example:143":  "imap:// is not known",
		"www.example:0":          "between 1 and 65535",
		"www.example:65536":      "between 1 and 65535",
		"www.example:https":      "between 1 and 65535",
		"www.example:443#":       "what follows #",
		"www.example:443#a b":    "what follows #",
		"www.example:443#::1":    "what follows #",
		"smtp://mx.example:25/x": "between 1 and 65535",
		"user@www.example:443":   "must be host:port",
		"smtp://":                "must be host:port",
	} {
		if got, err := ParseAddress(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, want an error about %q", in, got, err, want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"www.example:443", "10.0.0.7:8443#www.example", "[::1]:443", "smtp://mx.example", "smtp://[::1]:25#a", "#", "://", "[]:1", "smtp://]["} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q is %+v; written as %q it is %+v, %v", s, a, a, again, err)
		}
	})
}
