package nginx

import (
	"fmt"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

// example is nginx with a certificate, its key and its staple at these paths,
// and restaple with these differences to restaple.yaml.
func example(chain, key, staple string, differences ...string) stage.Example {
	return stage.Example{
		Programs: []string{"nginx"},
		Certificates: []stage.Certificate{{
			Type: lab.ECDSA, Chain: chain, Key: key,
			Staple: func(s *stage.Stage) string { return s.Path(staple) },
		}},
		Configure: func(s *stage.Stage, address string) {
			s.Install("nginx.conf", "/etc/nginx/nginx.conf",
				"listen 443 ssl", "listen "+address+" ssl",
				"/etc/nginx/tls/site.pem.ocsp", staple,
				"/etc/nginx/tls/site.pem", chain,
				"/etc/nginx/tls/site.key", key)
			s.InstallRestaple(differences...)
			prepare(s)
		},
		Serve:  serve,
		Short:  stage.Window{Validity: 30 * time.Second, Age: 10 * time.Second},
		Ending: stage.Window{Validity: 16 * time.Second, Age: 6 * time.Second},

		Missing: stage.TryLater,
	}
}

func TestNginx(t *testing.T) {
	example("/etc/nginx/tls/site.pem", "/etc/nginx/tls/site.key", "/etc/nginx/tls/site.pem.ocsp").Prove(t)
}

func TestNginxWithCertbot(t *testing.T) {
	const live = "/etc/letsencrypt/live/www.example.com/"
	e := example(live+"fullchain.pem", live+"privkey.pem", live+"fullchain.pem.ocsp",
		"/etc/nginx/tls", "/etc/letsencrypt/live/*/fullchain.pem")
	e.Deploy = stage.CertbotDeploy
	e.ProveRenewed(t)
}

func TestNginxWithAKubernetesSecret(t *testing.T) {
	e := example("/etc/nginx/tls/tls.crt", "/etc/nginx/tls/tls.key", "/var/lib/staples/tls.crt.ocsp",
		"server: nginx", "server: nginx\n    staple: /var/lib/staples/{base}.ocsp")
	e.Deploy = stage.KubernetesDeploy
	e.ProveRenewed(t)
}

// prepare makes the directories that Debian's package has made, and has nginx
// not use those of the machine.
func prepare(s *stage.Stage) {
	s.Dir("/run")
	s.Dir("/var/log/nginx")
	s.Dir("/var/lib/nginx")
	var temp string
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path %s;\n", kind, s.Path("/var/lib/nginx/"+kind))
	}
	s.Write("/etc/nginx/conf.d/temp.conf", []byte(temp), 0o644)
}

func serve(s *stage.Stage) *stage.Process {
	return s.Start("nginx", "-c", s.Path("/etc/nginx/nginx.conf"), "-g", "daemon off;")
}
