package nginxdualcert

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/desk"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func TestNginxWithTwoCertificates(t *testing.T) {
	certificate := func(kind lab.KeyType, name string) stage.Certificate {
		return stage.Certificate{
			Type: kind, Chain: "/etc/nginx/tls/" + name + ".pem", Key: "/etc/nginx/tls/" + name + ".key",
			Staple: func(s *stage.Stage) string { return s.Path("/var/lib/restaple/staples/" + name + ".ocsp") },
		}
	}
	desk.Example{
		Programs:     []string{"nginx"},
		Certificates: []stage.Certificate{certificate(lab.RSA, "rsa"), certificate(lab.ECDSA, "ecdsa")},
		Configure: func(s *stage.Stage, address, listen string) {
			s.Install("nginx.conf", "/etc/nginx/nginx.conf",
				"listen 443 ssl", "listen "+address+" ssl", desk.Listen, listen,
				"worker_processes auto", "worker_processes 1") // each asks for itself
			s.InstallRestaple(desk.Listen, listen)
			prepare(s)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("nginx", "-c", s.Path("/etc/nginx/nginx.conf"), "-g", "daemon off;")
		},
		Renewed: func(s *stage.Stage) []string {
			return []string{"nginx -s reload", "nginx -c " + s.Path("/etc/nginx/nginx.conf") + " -s reload"}
		},
		Again: reload,
		Late:  true,
		Keeps: true,
	}.Prove(t)
}

// reload reloads nginx and waits until the worker that served before has ended.
func reload(s *stage.Stage) {
	s.T.Helper()
	before := workers(s)
	if said, code := s.Run("nginx", "-c", s.Path("/etc/nginx/nginx.conf"), "-s", "reload"); code != 0 {
		s.T.Fatalf("nginx -s reload: exit code %d\n%s", code, said)
	}
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for now := before; len(now) != 1 || now[0] == before[0]; now = workers(s) {
		select {
		case <-deadline:
			s.T.Fatalf("workers a minute after the reload: got %q, want one other than %q", now, before)
		case <-tick.C:
		}
	}
}

// workers are the processes that nginx's master has.
func workers(s *stage.Stage) []string {
	s.T.Helper()
	pid, err := os.ReadFile(s.Path("/run/nginx.pid"))
	if err != nil {
		s.T.Fatal(err)
	}
	master := strings.TrimSpace(string(pid))
	children, err := os.ReadFile("/proc/" + master + "/task/" + master + "/children")
	if err != nil {
		s.T.Fatal(err)
	}
	return strings.Fields(string(children))
}

// prepare makes the directories that Debian's package has made, and has nginx
// not use those of the machine.
func prepare(s *stage.Stage) {
	s.Dir("/run")
	s.Dir("/var/log/nginx")
	s.Dir("/var/lib/nginx")
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s;\n", kind, s.Path("/var/lib/nginx/"+kind))
	}
	s.Write("/etc/nginx/conf.d/temp.conf", []byte(temp.String()), 0o644)
}
