package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

// TestADeployHookGoesByTheUsualConfiguration makes the call that certbot's hook
// makes, on a machine of its own as far as /etc goes.
func TestADeployHookGoesByTheUsualConfiguration(t *testing.T) {
	if !apart(t) {
		return
	}
	s := newScene(t)
	if err := unix.Mount("tmpfs", "/etc", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("/etc/restaple", 0o755); err != nil {
		t.Fatal(err)
	}
	s.write(defaultConfig, fmt.Appendf(nil, "allow: [127.0.0.0/8]\nstate_dir: %s\ncertificates: [{paths: [%q], server: nginx, hooks: []}]\n",
		s.state, s.dir+"/*.pem"))
	if code, out, errs := command(t, "refresh", s.cert); code != exitOK || out != "1 certificate: 1 fresh\n" {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}

	// The certificate is renewed while the responder is out of order: nginx
	// needs the file, and not the old staple in it.
	s.reissue(lab.IssueOptions{Responders: s.issued.Certificate.OCSPServer})
	if err := s.responder.SetFault("503=1"); err != nil {
		t.Fatal(err)
	}
	code, _, errs := command(t, "refresh", s.cert)
	if code != exitNotOK || !strings.Contains(errs, defaultConfig) {
		t.Errorf("exit %d, %s", code, errs)
	}
	if der, err := os.ReadFile(s.cert + ".ocsp"); err != nil || !staple.IsPlaceholder(der) {
		t.Errorf("%x, %v in the staple's place, want the placeholder", der, err)
	}
}
