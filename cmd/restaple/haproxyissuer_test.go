package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
