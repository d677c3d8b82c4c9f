package haproxy

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func example(certificates ...stage.Certificate) stage.Example {
	return stage.Example{
		Programs:     []string{"haproxy"},
		Certificates: certificates,
		Configure: func(s *stage.Stage, address string) {
			s.Install("haproxy.cfg", "/etc/haproxy/haproxy.cfg", "bind :443", "bind "+address)
			s.InstallRestaple()
			s.Dir("/run")
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("haproxy", "-W", "-f", s.Path("/etc/haproxy/haproxy.cfg"), "-p", s.Path("/run/haproxy.pid"))
		},
		Reload:      func(_ *stage.Stage, server *stage.Process) { server.Signal(syscall.SIGUSR2) },
		HookReloads: true,

		// HAProxy takes and serves nothing that ends within 300 s.
		Short:  stage.Window{Validity: 700 * time.Second, Age: 345 * time.Second},
		Ending: stage.Window{Validity: 640 * time.Second, Age: 326 * time.Second},

		Missing: stage.None,
	}
}

func TestHAProxy(t *testing.T) {
	example(
		stage.Certificate{Type: lab.RSA, Chain: "/etc/haproxy/certs/site.pem.rsa"},
		stage.Certificate{Type: lab.ECDSA, Chain: "/etc/haproxy/certs/site.pem.ecdsa"},
	).Prove(t)
}

// TestHAProxyIsToldWhileItReloads shows that the hook's signal is not lost then.
func TestHAProxyIsToldWhileItReloads(t *testing.T) {
	const list = "/etc/haproxy/blocked.lst"
	e := example(stage.Certificate{Type: lab.ECDSA, Chain: "/etc/haproxy/certs/site.pem"})
	configure := e.Configure
	e.Configure = func(s *stage.Stage, address string) {
		configure(s, address)
		s.Install("haproxy.cfg", "/etc/haproxy/haproxy.cfg", "bind :443", "bind "+address,
			"    http-request return", "    http-request deny if { src -f "+list+" }\n    http-request return")
	}
	e.ProveHeard(t, list)
}

// TestHAProxyWithAKubernetesSecret has links to the Secret, which is
// read-only, in a directory that is not.
func TestHAProxyWithAKubernetesSecret(t *testing.T) {
	secret := stage.Certificate{Chain: "/srv/secret/tls.crt", Key: "/srv/secret/tls.key"}
	e := example(stage.Certificate{Type: lab.ECDSA, Chain: "/etc/haproxy/certs/site.crt", Key: "/etc/haproxy/certs/site.crt.key"})
	e.Deploy = func(s *stage.Stage, c stage.Certificate, issued *lab.Issued) {
		stage.KubernetesDeploy(s, secret, issued)
		link(s, secret.Chain, c.Chain)
		link(s, secret.Key, c.Key)
	}
	e.ProveRenewed(t)
}

func link(s *stage.Stage, file, at string) {
	s.T.Helper()
	s.Dir("/etc/haproxy/certs")
	if err := os.Symlink(s.Path(file), s.Path(at)); err != nil && !os.IsExist(err) {
		s.T.Fatal(err)
	}
}
