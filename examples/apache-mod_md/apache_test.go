package apachemodmd

import (
	"testing"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/desk"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func TestApacheWithModMD(t *testing.T) {
	desk.Example{
		Programs: []string{"apache2"},
		Certificates: []stage.Certificate{{
			Type: lab.ECDSA, Chain: "/etc/apache2/tls/site.pem", Key: "/etc/apache2/tls/site.key",
			Staple: func(s *stage.Stage) string { return s.Path("/var/lib/restaple/staples/site.ocsp") },
		}},
		Configure: func(s *stage.Stage, address, listen string) {
			s.Install("apache2.conf", "/etc/apache2/apache2.conf",
				"Listen 443", "Listen "+address, "*:443", address, desk.Listen, listen)
			s.InstallRestaple(desk.Listen, listen)
			for _, dir := range []string{"/run/apache2", "/var/log/apache2", "/var/lib/apache2"} {
				s.Dir(dir)
			}
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("apache2", "-f", s.Path("/etc/apache2/apache2.conf"), "-DFOREGROUND")
		},
		Renewed: func(s *stage.Stage) []string {
			return []string{"systemctl reload apache2", "apache2 -f " + s.Path("/etc/apache2/apache2.conf") + " -k graceful"}
		},
		Hook:      "../apache/renewed.sh",
		Late:      true,
		Keeps:     true,
		Stores:    true,
		Overstays: true,
	}.Prove(t)
}
