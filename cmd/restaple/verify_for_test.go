package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
)

func TestVerifySaysWhatServersAndClientsDo(t *testing.T) {
	w := newCheckWorld(t)
	site := w.issue(lab.IssueOptions{})
	cert := w.write("site.pem", site.ChainPEM())
	for _, row := range []struct {
		name   string
		change func(*lab.Response)
		code   int
		want   map[string]profile.Reaction
	}{
		{"good", nil, 0, map[string]profile.Reaction{
			"nginx": profile.Serves, "haproxy": profile.Serves, "exim": profile.Serves, "firefox": profile.Accepts, "gnutls": profile.Accepts}},
		{"good, two of them", func(r *lab.Response) { r.Singles = append(r.Singles, r.Singles[0]) }, 0, map[string]profile.Reaction{
			"nginx": profile.Serves, "haproxy": profile.Ignores, "envoy": profile.Fails, "firefox": profile.Accepts}},
		{"revoked", func(r *lab.Response) {
			r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, time.Now().Add(-time.Hour)
		}, 1,
			map[string]profile.Reaction{"nginx": profile.Serves, "haproxy": profile.Serves, "hitch": profile.Fails, "chromium": profile.Refuses, "gnutls": profile.Refuses}},
		{"tryLater", func(r *lab.Response) { r.Status = lab.TryLater }, 1, map[string]profile.Reaction{
			"nginx": profile.Serves, "haproxy": profile.Ignores, "firefox": profile.Ignores, "curl": profile.Refuses}},
		{"empty", func(r *lab.Response) { r.Tamper = func([]byte) []byte { return nil } }, 1, map[string]profile.Reaction{
			"nginx": profile.Fails, "haproxy": profile.Ignores, "lighttpd": profile.Ignores}},
	} {
		t.Run(row.name, func(t *testing.T) {
			staple := w.write("s.ocsp", w.response(site, time.Minute, row.change))
			args := []string{"verify", "--cert", cert, "--response", staple, "--for", "all"}
			code, text, _ := w.restaple(args...)
			_, out, errs := w.restaple(append(args, "-o", "json")...)
			var got verdict
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v in %q, %s", err, out, errs)
			}
			if code != row.code || len(got.For) != len(profile.Readers()) {
				t.Errorf("got %d and %d foresights, want %d and all", code, len(got.For), row.code)
			}
			seen := map[string]profile.Reaction{}
			for _, f := range got.For {
				seen[f.Reader] = f.Does
				if !hasFields(text, f.Reader, string(f.Does)) {
					t.Errorf("%s %s is not in\n%s", f.Reader, f.Does, text)
				}
			}
			for reader, want := range row.want {
				if seen[reader] != want {
					t.Errorf("%s %s, want that it %s", reader, seen[reader], want)
				}
			}
		})
	}
}

// hasFields reports whether a line begins with these words.
func hasFields(text, first, second string) bool {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == first && strings.TrimSuffix(f[1], ":") == second {
			return true
		}
	}
	return false
}

func TestVerifyForNamesOnlyWhatIsAskedFor(t *testing.T) {
	w := newCheckWorld(t)
	site := w.issue(lab.IssueOptions{})
	args := []string{"verify", "--cert", w.write("site.pem", site.ChainPEM()), "--response", w.write("s.ocsp", w.response(site, time.Minute, nil))}
	_, plain, _ := w.restaple(args...)
	if strings.Contains(plain, "serves") {
		t.Errorf("without --for:\n%s", plain)
	}
	if _, out, _ := w.restaple(append(args, "--for", "gnutls,nginx")...); !strings.HasSuffix(out, "  gnutls  accepts\n  nginx   serves\n") {
		t.Errorf("got\n%s", out)
	}
	for _, names := range []string{"ngnix", "", "nginx,"} {
		code, _, stderr := w.restaple(append(args, "--for", "nginx,"+names)...)
		if code != 2 || !strings.Contains(stderr, "trafficserver") {
			t.Errorf("%q: got %d, %s", names, code, stderr)
		}
	}
	// Without the issuer nobody can tell.
	foreign := w.write("ca.pem", w.pki.Root.CertPEM())
	code, out, _ := w.restaple(append(args, "--issuer", foreign, "--for", "all")...)
	if code != 1 || strings.Contains(out, "nginx") || !strings.Contains(out, "is not foreseen") {
		t.Errorf("got %d,\n%s", code, out)
	}
	// And what is too large is not looked into.
	huge := w.write("huge", make([]byte, 70000))
	code, out, _ = w.restaple("verify", "--cert", w.dir+"/site.pem", "--response", huge, "--for", "all")
	if code != 1 || strings.Contains(out, "serves") || strings.Contains(out, "accepts") || !strings.Contains(out, "is not foreseen") {
		t.Errorf("got %d,\n%s", code, out)
	}
}
