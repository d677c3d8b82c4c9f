package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
)

// TestCertificatesAreTreatedAsConfigured sets one key of certificates[] after the
// other, and looks at what becomes of the staple.
func TestCertificatesAreTreatedAsConfigured(t *testing.T) {
	revoked := func(s *scene) {
		if err := s.responder.Revoke(s.issued.Certificate.SerialNumber, "keyCompromise", time.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
	forgotten := func(s *scene) { s.responder.Forget(s.issued.Certificate.SerialNumber) }
	const none = -1
	for _, row := range []struct {
		name   string
		keys   string
		fault  lab.Fault
		first  func(s *scene) // before the first pass
		then   func(s *scene) // before a second one
		status int            // of the staple at last
		mode   fs.FileMode    // 0: 0644
	}{
		{name: "by default", status: ocsp.Good},
		{name: "mode", keys: "mode: '0640'", status: ocsp.Good, mode: 0o640},
		{name: "SHA-1 by default", fault: "sha1-signature", status: ocsp.Good},
		{name: "strict", keys: "strict: true", fault: "sha1-signature", status: none},
		{name: "revoked by default", then: revoked, status: none},
		{name: "revoked and published", keys: "on_revoked: publish", then: revoked, status: ocsp.Revoked},
		{name: "revoked and kept", keys: "on_revoked: keep", then: revoked, status: ocsp.Good},
		{name: "unknown by default", first: forgotten, status: none},
		{name: "unknown and published", keys: "on_unknown: publish", first: forgotten, status: ocsp.Unknown},
		{name: "unknown after it was good", then: forgotten, status: ocsp.Good},
		{name: "unknown and published after it was good", keys: "on_unknown: publish", then: forgotten, status: ocsp.Good},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			s.issueEarlier(time.Hour) // a responder need not know what is brand-new
			if err := s.responder.SetFault(row.fault); err != nil {
				t.Fatal(err)
			}
			if row.first != nil {
				row.first(s)
			}
			out := s.treated(row.keys)
			if row.then != nil {
				row.then(s)
				out = s.treated(row.keys)
			}
			der, err := os.ReadFile(s.cert + ".ocsp")
			if os.IsNotExist(err) && row.status == none {
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got, err := ocsp.ParseResponse(der, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != row.status {
				t.Errorf("status %d, want %d\n%s", got.Status, row.status, out)
			}
			info, err := os.Stat(s.cert + ".ocsp")
			if err != nil {
				t.Fatal(err)
			}
			if want := cmp.Or(row.mode, 0o644); info.Mode() != want {
				t.Errorf("mode %v, want %v", info.Mode(), want)
			}
		})
	}
}

// issueEarlier has the scene's certificate be one that was placed some time ago.
func (s *scene) issueEarlier(ago time.Duration) {
	s.t.Helper()
	at := time.Now().Add(-ago)
	issued, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"site.test"}, NotBefore: at})
	if err != nil {
		s.t.Fatal(err)
	}
	s.issued = issued
	s.write(s.cert, issued.ChainPEM())
	if err := os.Chtimes(s.cert, at, at); err != nil {
		s.t.Fatal(err)
	}
}

// treated makes a pass with keys of certificates[].
func (s *scene) treated(keys ...string) (said string) {
	s.t.Helper()
	file := filepath.Join(s.state, "restaple.yaml")
	s.write(file, fmt.Appendf(nil, "state_dir: %s\nallow: [127.0.0.0/8]\ncertificates:\n- paths: [%s]\n  hooks: []\n  %s\n",
		s.state, s.dir, strings.Join(keys, "\n  ")))
	_, out, errs := command(s.t, "refresh", "--force", "--config", file)
	if !strings.Contains(out, "1 certificate: ") {
		s.t.Errorf("the certificate is not looked after:\n%s%s", out, errs)
	}
	return out + errs
}

func TestOwnerIsAsConfigured(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	s := newScene(t)
	out := s.treated("owner: 1", "group: 2")
	info, err := os.Stat(s.cert + ".ocsp")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 1 || stat.Gid != 2 {
		t.Errorf("owner %d, group %d, want 1 and 2\n%s", stat.Uid, stat.Gid, out)
	}
}

func TestSnippetIsAsConfigured(t *testing.T) {
	for keys, want := range map[string]string{
		"snippet: '{dir}/{base}.conf'":                            "ssl_stapling on;\nssl_stapling_file \"STAPLE\";\n",
		"snippet: '{dir}/{base}.conf'\n  snippet_file_only: true": "ssl_stapling_file \"STAPLE\";\n",
	} {
		s := newScene(t)
		out := s.treated("server: nginx", keys)
		got, err := os.ReadFile(s.cert + ".conf")
		if want := strings.ReplaceAll(want, "STAPLE", s.cert+".ocsp"); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q\n%s", keys, got, err, want, out)
		}
	}
}
