package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent/lab"
)

// needHAProxy skips the test if there is none to be had.
func needHAProxy(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("haproxy"); err == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "haproxy") {
		t.Fatal("haproxy is not installed, and RESTAPLE_TEST_REQUIRE names it")
	}
	t.Skip("haproxy is not installed")
}

// HAProxy up to 3.2 does not start with a staple, not even an empty one, whose
// issuer it does not find. restaple looks for the issuer in more places.
func TestHAProxyAlwaysStarts(t *testing.T) {
	needHAProxy(t)
	for _, row := range []struct {
		name   string
		issuer string // the file it is in, beside site.pem
		more   string // of the configuration
		staple bool   // whether there is to be one
	}{
		{name: "issuer in the same file", issuer: "site.pem", staple: true},
		{name: "issuer where HAProxy looks", issuer: "site.pem.issuer", staple: true},
		{name: "chain.pem", issuer: "chain.pem"},
		{name: "ca.crt and a reserve", issuer: "ca.crt", more: ", reserve: true"},
		{name: "a directory of issuers", issuer: "issuers/ca.pem", more: ", issuers: [DIR/issuers]"},
		{name: "issuers-chain-path", issuer: "issuers/ca.pem", more: ", issuers: [DIR/issuers], issuers_chain_path: true", staple: true},
		{name: "no issuer at all and a reserve", more: ", reserve: true"},
	} {
		for _, before := range []bool{false, true} { // whether there was a staple already
			name := row.name // a path in HAProxy's configuration will have it
			if before {
				name += " now"
			}
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				key, err := s.issued.KeyPEM()
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(filepath.Join(s.dir, "issuers"), 0o755); err != nil {
					t.Fatal(err)
				}
				leaf, issuer := slices.Concat(s.issued.CertPEM(), key), s.pki.Intermediate.CertPEM()
				if before {
					s.write(s.cert, slices.Concat(leaf, issuer))
					if code, out, errs := s.command("refresh", "--server", "haproxy", "--hook", "true", s.cert); code != exitOK {
						t.Fatalf("exit %d: %s%s", code, out, errs)
					}
				}
				s.write(s.cert, leaf)
				if row.issuer == "site.pem" {
					s.write(s.cert, slices.Concat(leaf, issuer))
				} else if row.issuer != "" {
					s.write(filepath.Join(s.dir, row.issuer), issuer)
				}
				config := filepath.Join(t.TempDir(), "restaple.yaml")
				more := strings.ReplaceAll(row.more, "DIR", s.dir)
				s.write(config, []byte("certificates: [{paths: ["+s.cert+"], server: haproxy, hooks: []"+more+"}]\n"))
				code, out, errs := s.command("refresh", "--config", config)
				if (code == exitOK) != row.staple {
					t.Errorf("exit %d: %s%s", code, out, errs)
				}
				if _, err := os.Stat(s.cert + ".ocsp"); (err == nil) != row.staple {
					t.Errorf("staple on disk: %v, want one: %v", err, row.staple)
				}
				if told := strings.Contains(errs, s.cert+".issuer"); told == row.staple && row.issuer != "" {
					t.Errorf("says where the issuer has to be: %v\n%s", told, errs)
				}
				path := ""
				if strings.Contains(row.more, "issuers_chain_path") {
					path = "issuers-chain-path " + s.dir + "/issuers\n"
				}
				cfg := filepath.Join(t.TempDir(), "haproxy.cfg")
				s.write(cfg, []byte("global\n"+path+"defaults\nmode http\ntimeout client 1m\ntimeout server 1m\ntimeout connect 1m\n"+
					"frontend tls\nbind "+s.dir+"/tls.sock ssl crt "+s.cert+"\n"))
				if said, err := exec.Command("haproxy", "-c", "-f", cfg).CombinedOutput(); err != nil {
					t.Errorf("haproxy would not start: %v\n%s", err, said)
				}
			})
		}
	}
}

// TestHAProxyIsToldOfAStapleWhoseIssuerWasFetched has an HAProxy with an
// issuers-chain-path, and restaple with nothing but the leaf: it fetches the
// issuer, and needs it again when it hands the staple over.
func TestHAProxyIsToldOfAStapleWhoseIssuerWasFetched(t *testing.T) {
	needHAProxy(t)
	s := newScene(t)
	responders := s.issued.Certificate.OCSPServer
	issued, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"site.test"}, CAIssuers: []string{responders[0] + "issuer.cer"}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := issued.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	s.write(s.cert, slices.Concat(issued.CertPEM(), key))
	dir, err := os.MkdirTemp("", "restaple") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	chains, cfg, admin, served := filepath.Join(dir, "chains"), filepath.Join(dir, "cfg"), filepath.Join(dir, "admin.sock"), filepath.Join(dir, "tls.sock")
	if err := os.Mkdir(chains, 0o755); err != nil {
		t.Fatal(err)
	}
	s.write(filepath.Join(chains, "ca.pem"), s.pki.Intermediate.CertPEM())
	s.write(cfg, fmt.Appendf(nil, "global\nstats socket %s level admin\nissuers-chain-path %s\n"+
		"defaults\nmode http\ntimeout client 1m\ntimeout server 1m\ntimeout connect 1m\nfrontend tls\nbind %s ssl crt %s\n", admin, chains, served, s.cert))
	haproxy := exec.Command("haproxy", "-db", "-f", cfg)
	haproxy.Stderr = t.Output()
	if err := haproxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = haproxy.Process.Kill()
		_ = haproxy.Wait() // it was killed
	})
	until(t, "HAProxy listens", func() bool {
		c, err := net.Dial("unix", admin)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	config := filepath.Join(t.TempDir(), "restaple.yaml")
	s.write(config, fmt.Appendf(nil, "certificates: [{paths: [%s], server: haproxy, issuers_chain_path: true, hooks: [{haproxy: {socket: %s}}]}]\n", s.cert, admin))
	if code, out, errs := s.command("refresh", "--config", config); code != exitOK {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	placed, err := os.ReadFile(s.cert + ".ocsp")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", served)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // the staple is what counts
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := client.ConnectionState().OCSPResponse; !bytes.Equal(got, placed) {
		t.Errorf("served are %d octets, want the staple that was placed", len(got))
	}
}
