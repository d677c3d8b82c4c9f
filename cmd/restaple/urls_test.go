package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

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
