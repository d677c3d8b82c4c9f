package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

func TestURLsAreAnEgressList(t *testing.T) {
	s := newScene(t)
	b := "http://OCSP.b.test"
	s.issue("one.pem", b)
	for name, o := range map[string]lab.IssueOptions{
		"several.pem": {Responders: []string{b + "/x", b + "/y", "https://a.test:8443/", "ldap://dir.test/"}},
		"known.pem":   {Responders: []string{b}, CAIssuers: []string{"http://ca.test/ca.cer"}},
	} {
		issued, err := s.pki.Intermediate.Issue(o)
		if err != nil {
			t.Fatal(err)
		}
		s.write(filepath.Join(s.dir, name), issued.ChainPEM())
	}
	orphan, err := s.pki.Intermediate.Issue(lab.IssueOptions{
		Responders: []string{b}, CAIssuers: []string{"ldap://dir.test/ca", "http://repository.test/ca.cer"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.write(filepath.Join(s.dir, "orphan.pem"), orphan.CertPEM())
	a, ca := egressRule{Host: "a.test", Port: "8443", Scheme: "https", Certificates: 1}, egressRule{Host: "repository.test", Port: "80", Scheme: "http", Certificates: 1}
	all := func(host, port, scheme string) egressRule {
		return egressRule{Host: host, Port: port, Scheme: scheme, Certificates: 4}
	}
	via := func(r egressRule) egressRule { r.Via = "proxy.test:3128"; return r }
	for _, row := range []struct {
		name  string
		lines []string
		want  []egressRule
	}{
		{name: "as the certificates say", want: []egressRule{a, all("ocsp.b.test", "80", "http"), ca}},
		{
			name: "another is asked", lines: []string{"responders: [{host: ocsp.b.test, url: 'https://u:s3cret@inner.test/x'}]"},
			want: []egressRule{a, all("inner.test", "443", "https"), ca},
		},
		{
			name: "by a proxy, with an exception", lines: []string{"proxy: http://u:s3cret@proxy.test:3128", "no_proxy: [a.test]"},
			want: []egressRule{a, all("proxy.test", "3128", "http"), via(all("ocsp.b.test", "80", "http")), via(ca)},
		},
		{
			name: "one by a proxy, another asked", lines: []string{"responders: [{host: ocsp.b.test, url: 'https://inner.test/', proxy: 'socks5://proxy.test:3128'}]"},
			want: []egressRule{a, all("proxy.test", "3128", "socks5"), ca, via(all("inner.test", "443", "https"))},
		},
		{
			name: "answering for others", lines: []string{"listen: 127.0.0.1:0", "answer_for: issuers", "issuers: [{certificate: " + s.ca() + ", responder: ['http://other.test/', '" + b + "']}]"},
			want: []egressRule{a, all("ocsp.b.test", "80", "http"), {Host: "other.test", Port: "80", Scheme: "http"}, ca},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := []string{"status", "--urls", "--config", s.config(row.lines...)}
			code, out, errs := command(t, append(args, "-o", "json")...)
			var got []egressRule
			if err := json.Unmarshal([]byte(out), &got); code != exitOK || err != nil {
				t.Fatalf("exit %d, %v, %s%s", code, err, out, errs)
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("got  %v\nwant %v", got, row.want)
			}
			_, out, _ = command(t, args...)
			if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 1+len(row.want) || strings.Contains(out, "s3cret") {
				t.Errorf("as a table:\n%s", out)
			}
		})
	}
}

// ca writes the issuer of the scene to a file.
func (s *scene) ca() (path string) {
	s.t.Helper()
	path = filepath.Join(s.state, "ca.pem")
	s.write(path, s.pki.Intermediate.CertPEM())
	return path
}

func TestPasswordOfAResponderIsNotShown(t *testing.T) {
	s := newScene(t)
	for _, format := range []string{"text", "json"} {
		_, out, errs := command(t, "status", "--state-dir", s.state, "-o", format, "--responder", "http://u:s3cret@ocsp.test/", s.dir)
		if strings.Contains(out+errs, "s3cret") || !strings.Contains(out, "ocsp.test") {
			t.Errorf("%s:\n%s%s", format, out, errs)
		}
	}
}

// TestPasswordOfAURLIsSaidNowhere has all go wrong that is told with the URL of
// a responder or an issuer, and looks for its password in whatever is written.
func TestPasswordOfAURLIsSaidNowhere(t *testing.T) {
	const secret = "s3cret"
	withPassword := func(hostPort string) string { return "http://u:" + secret + "@" + hostPort + "/" }
	always := func(body string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, row := range []struct {
		name string
		how  func(s *scene) http.Handler // nil: the scene's responder
		want string                      // in the log
	}{
		{name: "a good answer", want: "staple placed"},
		{name: "an error", how: func(*scene) http.Handler { return always("", 500) }, want: "500"},
		{name: "a web page", how: func(*scene) http.Handler { return always("<html>", 200) }, want: "malformed"},
		{name: "revoked", how: func(s *scene) http.Handler {
			if err := s.responder.Revoke(s.issued.Certificate.SerialNumber, "keyCompromise", time.Now()); err != nil {
				s.t.Fatal(err)
			}
			return s.responder
		}, want: "certificate revoked"},
		{name: "another time", how: func(s *scene) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Date", "Sun, 01 Mar 2020 12:00:00 GMT")
				s.responder.ServeHTTP(w, r)
			})
		}, want: "clock differs"},
		{name: "a redirect", how: func(*scene) http.Handler { return http.RedirectHandler("/", http.StatusFound) }, want: "redirects"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			handler := http.Handler(s.responder)
			if row.how != nil {
				handler = row.how(s)
			}
			_, out, errs := s.command("refresh", "--log-level", "debug", "--responder", withPassword(serve(t, handler)), s.dir)
			wantWithout(t, s, secret, row.want, out+errs)
		})
	}
	t.Run("of the certificate and its issuer", func(t *testing.T) {
		for want, body := range map[string][]byte{
			"staple placed": nil, "neither": []byte("<html>"), "signed this one": otherPKI(t).Intermediate.CertPEM(),
		} {
			s := newScene(t)
			if body == nil {
				body = s.pki.Intermediate.CertPEM()
			}
			issued, err := s.pki.Intermediate.Issue(lab.IssueOptions{
				Names:      []string{"site.test"},
				Responders: []string{withPassword(serve(t, s.responder))}, CAIssuers: []string{withPassword(serve(t, always(string(body), 200)))},
			})
			if err != nil {
				t.Fatal(err)
			}
			s.write(s.cert, issued.CertPEM())
			_, out, errs := s.command("refresh", "--log-level", "debug", s.dir)
			_, status, more := s.command("status", "-o", "json", s.dir)
			wantWithout(t, s, secret, want, out+errs+status+more)
		}
	})
	t.Run("that is none", func(t *testing.T) {
		s := newScene(t)
		code, out, errs := s.command("refresh", "--responder", withPassword("127.0.0.1:80x"), s.dir)
		if code != exitUsage {
			t.Errorf("exit %d", code)
		}
		wantWithout(t, s, secret, "--responder", out+errs)
	})
	t.Run("of a proxy that is none", func(t *testing.T) {
		s := newScene(t)
		s.issue("leaf.pem", "http://192.0.2.1/")
		t.Setenv("HTTP_PROXY", "http://u:"+secret+"@[proxy")
		_, status, errs := s.command("status", "-o", "json", s.dir)
		wantWithout(t, s, secret, `"via": "http://`, status+errs)
	})
}

func otherPKI(t *testing.T) *lab.PKI {
	t.Helper()
	pki, err := lab.NewPKI(lab.PKIOptions{}) // the same names, other keys
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

// wantWithout looks for a secret in what was said and in what is kept.
func wantWithout(t *testing.T, s *scene, secret, want, said string) {
	t.Helper()
	if !strings.Contains(said, want) {
		t.Errorf("want %q in\n%s", want, said)
	}
	if strings.Contains(said, secret) {
		t.Errorf("the password is in\n%s", said)
	}
	err := filepath.WalkDir(s.state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		kept, err := os.ReadFile(path)
		if bytes.Contains(kept, []byte(secret)) {
			t.Errorf("the password is in %s: %s", path, kept)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestURLsOfARunningRestapleKnowItsProxy(t *testing.T) {
	s := newScene(t)
	s.issue("leaf.pem", "http://ocsp.test/")
	admin := filepath.Join(t.TempDir(), "admin.sock")
	p := startProcess(t, "run", "--config", s.config("proxy: http://127.0.0.1:1", "admin: {listen: 'unix:"+admin+"'}"))
	var out, errs string
	until(t, "it has looked", func() bool {
		_, out, errs = command(t, "status", "--urls", "--agent", "unix:"+admin)
		return strings.Contains(out, "ocsp.test")
	})
	for _, want := range []string{"127.0.0.1  1     http    1             -\n", "ocsp.test  80    http    1             127.0.0.1:1\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("got\n%s%s, want in it %q", out, errs, want)
		}
	}
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
