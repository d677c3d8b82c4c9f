package nginx

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

// variant is nginx with its certificate, key and staple at other paths, and
// with differences to the example's files.
type variant struct {
	chain, key, staple string
	nginx, restaple    []string
	usual              bool // nothing is said about hooks, on a machine as it usually is
}

func (v variant) example() stage.Example {
	return stage.Example{
		Programs: []string{"nginx"},
		Certificates: []stage.Certificate{{
			Type: lab.ECDSA, Chain: v.chain, Key: v.key,
			Staple: func(s *stage.Stage) string { return s.Path(v.staple) },
		}},
		Configure: func(s *stage.Stage, address string) {
			if v.usual {
				s.Machine("/etc/nginx", "/run", "/var/log/nginx")
			}
			s.Install("nginx.conf", "/etc/nginx/nginx.conf", slices.Concat(v.nginx, []string{
				"listen 443 ssl", "listen " + address + " ssl",
				key, v.key,
			})...)
			if v.usual {
				s.WriteRestaple("certificates:\n- paths: [/etc/nginx/tls]\n  server: nginx\n")
			} else {
				s.InstallRestaple(append(v.restaple, "127.0.0.1:443", address)...)
			}
			prepare(s)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			if v.usual {
				return s.Start("nginx", "-g", "daemon off;")
			}
			return serve(s)
		},
		Aware:   true,
		Short:   stage.Window{Validity: 60 * time.Second, Age: 25 * time.Second},
		Ending:  stage.Window{Validity: 80 * time.Second, Age: 64 * time.Second},
		Missing: stage.TryLater,
	}
}

const (
	chain  = "/etc/nginx/tls/site.pem"
	key    = "/etc/nginx/tls/site.key"
	staple = "/etc/nginx/tls/site.pem.ocsp"
)

func TestNginx(t *testing.T) {
	variant{chain: chain, key: key, staple: staple}.example().Prove(t)
}

// TestNginxWithASnippet has the two lines about the staple in a file that is
// there only as long as the staple is: without one, nothing is stapled.
func TestNginxWithASnippet(t *testing.T) {
	e := variant{
		chain: chain, key: key, staple: staple,
		nginx: []string{
			"ssl_stapling on;", "include /etc/nginx/staple.d/site.con[f];",
			"ssl_stapling_file " + staple + ";", "",
		},
		restaple: []string{"server: nginx", "server: nginx\n    snippet: /etc/nginx/staple.d/{name}.conf"},
	}.example()
	e.Missing = stage.None
	e.Prove(t)
}

// TestNginxWithNothingButItsName has restaple find nginx by itself.
func TestNginxWithNothingButItsName(t *testing.T) {
	variant{
		chain: chain, key: key, staple: staple, usual: true,
	}.example().Prove(t)
}

// TestNginxWithABrokenConfiguration shows that restaple does not have nginx
// load what somebody else has broken, says what nginx says of it, and sees that
// nginx goes on with the older staple.
func TestNginxWithABrokenConfiguration(t *testing.T) {
	const broken, admin = "/etc/nginx/conf.d/broken.conf", "/run/admin.sock"
	e := variant{
		chain: chain, key: key, staple: staple,
		restaple: []string{"certificates:", "admin: {listen: 'unix:" + admin + "'}\ncertificates:"},
	}.example()
	e.Short = stage.Window{Validity: 3 * time.Minute, Age: 10 * time.Second} // nginx would serve it beyond its end
	e.ProveBlocked(t, stage.Blocked{
		Break: func(s *stage.Stage) { s.Write(broken, []byte("sslstapling on;\n"), 0o644) },
		Mend: func(s *stage.Stage) {
			if err := os.Remove(s.Path(broken)); err != nil {
				s.T.Fatal(err)
			}
		},
		Says:  `unknown directive \"sslstapling\" in`,
		Admin: admin, Name: "#" + stage.Name,
	})
}

// TestNginxWithACertificateThatCanHaveNoStaple shows that nginx starts and
// reloads, although its configuration names a staple.
func TestNginxWithACertificateThatCanHaveNoStaple(t *testing.T) {
	variant{chain: chain, key: key, staple: staple}.example().ProveUnstapled(t)
}

func TestNginxWithCertbot(t *testing.T) {
	const live = "/etc/letsencrypt/live/www.example.com/"
	v := variant{
		chain: live + "fullchain.pem", key: live + "privkey.pem", staple: live + "fullchain.pem.ocsp",
		restaple: []string{"/etc/nginx/tls", "/etc/letsencrypt/live/*/fullchain.pem"},
	}
	v.nginx = []string{staple, v.staple, chain, v.chain}
	e := v.example()
	e.Deploy = stage.CertbotDeploy
	e.ProveRenewed(t)
}

func TestNginxWithAKubernetesSecret(t *testing.T) {
	v := variant{
		chain: "/etc/nginx/tls/tls.crt", key: "/etc/nginx/tls/tls.key", staple: "/var/lib/staples/tls.crt.ocsp",
		restaple: []string{"server: nginx", "server: nginx\n    staple: /var/lib/staples/{base}.ocsp"},
	}
	v.nginx = []string{staple, v.staple, chain, v.chain}
	e := v.example()
	e.Deploy = stage.KubernetesDeploy
	e.ProveRenewed(t)
}

// prepare makes the directories that Debian's package has made, and has nginx
// not use those of the machine.
func prepare(s *stage.Stage) {
	s.Dir("/run")
	s.Dir("/var/log/nginx")
	s.Dir("/var/lib/nginx")
	s.Dir("/etc/nginx/staple.d")
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s;\n", kind, s.Path("/var/lib/nginx/"+kind))
	}
	s.Write("/etc/nginx/conf.d/temp.conf", []byte(temp.String()), 0o644)
}

func serve(s *stage.Stage) *stage.Process {
	return s.Start("nginx", "-c", s.Path("/etc/nginx/nginx.conf"), "-g", "daemon off;")
}
