package haproxy

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func example(differences ...string) stage.Example {
	return stage.Example{
		Programs: []string{"haproxy"},
		Certificates: []stage.Certificate{
			{Type: lab.RSA, Chain: "/etc/haproxy/certs/site.pem.rsa"},
			{Type: lab.ECDSA, Chain: "/etc/haproxy/certs/site.pem.ecdsa"},
		},
		Configure: func(s *stage.Stage, address string) {
			s.Install("haproxy.cfg", "/etc/haproxy/haproxy.cfg", "bind :443", "bind "+address)
			s.InstallRestaple(differences...)
			s.Dir("/run/haproxy")
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("haproxy", "-W", "-f", s.Path("/etc/haproxy/haproxy.cfg"), "-p", s.Path("/run/haproxy.pid"))
		},
		Reload: func(_ *stage.Stage, server *stage.Process) { server.Signal(syscall.SIGUSR2) },

		// HAProxy serves nothing that ends within 300 s.
		Short:  stage.Window{Validity: 700 * time.Second, Age: 345 * time.Second},
		Ending: stage.Window{Validity: 640 * time.Second, Age: 326 * time.Second},

		Missing:      stage.None,
		RevokedAtEnd: true,
		Steady:       true,
	}
}

func TestHAProxyRuntimeAPI(t *testing.T) { example().Prove(t) }

// TestHAProxyHoldsTheNewestAfterARestart has an HAProxy with its own copies of the
// certificates and of their first staples, so that whatever else it was told is
// lost whenever it starts.
func TestHAProxyHoldsTheNewestAfterARestart(t *testing.T) {
	e := example()
	own := func(path string) string { return strings.Replace(path, "/etc/haproxy/certs/", "/srv/haproxy/", 1) }
	e.Configure = func(s *stage.Stage, address string) {
		s.Install("haproxy.cfg", "/etc/haproxy/haproxy.cfg", "bind :443", "bind "+address, "/etc/haproxy/certs/", own("/etc/haproxy/certs/"))
		s.InstallRestaple()
		s.Dir("/run/haproxy")
	}
	e.Deploy = func(s *stage.Stage, c stage.Certificate, issued *lab.Issued) {
		s.Put(c, issued)
		c.Chain = own(c.Chain)
		s.Put(c, issued)
	}
	e.ProveHealed(t, func(s *stage.Stage) {
		for _, c := range e.Certificates {
			staple, err := os.ReadFile(s.Path(c.Chain + ".ocsp"))
			if err != nil {
				t.Fatal(err)
			}
			s.Write(own(c.Chain)+".ocsp", staple, 0o644)
		}
	})
}

// TestHAProxyRuntimeAPIWithReserve has an empty file beside each certificate
// when HAProxy starts without staples.
func TestHAProxyRuntimeAPIWithReserve(t *testing.T) {
	example("server: haproxy", "server: haproxy\n    reserve: true").ProveLate(t)
}

// TestHAProxyRuntimeAPIThatPublishesRevocations has HAProxy say itself that its
// certificates are revoked, as soon as restaple knows.
func TestHAProxyRuntimeAPIThatPublishesRevocations(t *testing.T) {
	e := example("server: haproxy", "server: haproxy\n    on_revoked: publish")
	e.Missing, e.RevokedAtEnd = stage.Revoked, false
	e.ProveRevoked(t)
}
