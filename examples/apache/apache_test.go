package apache

import (
	"testing"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/desk"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func TestApache(t *testing.T) {
	certificate := func(kind lab.KeyType, name string) stage.Certificate {
		return stage.Certificate{
			Type: kind, Chain: "/etc/apache2/tls/" + name + ".pem", Key: "/etc/apache2/tls/" + name + ".key",
			Staple: func(s *stage.Stage) string { return s.Path("/var/lib/restaple/staples/" + name + ".ocsp") },
		}
	}
	desk.Example{
		Programs:     []string{"apache2"},
		Certificates: []stage.Certificate{certificate(lab.RSA, "rsa"), certificate(lab.ECDSA, "ecdsa")},
		Configure: func(s *stage.Stage, address, listen string) {
			s.Install("apache2.conf", "/etc/apache2/apache2.conf",
				"Listen 443", "Listen "+address, "*:443", address, desk.Listen, listen,
				"CacheTimeout 300", "CacheTimeout 1", "ErrorCacheTimeout 10", "ErrorCacheTimeout 1",
				"ResponderTimeout 3", "ResponderTimeout 20") // of a machine that is busy
			s.InstallRestaple(desk.Listen, listen)
			s.Dir("/run/apache2")
			s.Dir("/var/log/apache2")
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("apache2", "-f", s.Path("/etc/apache2/apache2.conf"), "-DFOREGROUND")
		},
		Renewed: func(s *stage.Stage) []string {
			return []string{"systemctl reload apache2", "apache2 -f " + s.Path("/etc/apache2/apache2.conf") + " -k graceful"}
		},
	}.Prove(t)
}
