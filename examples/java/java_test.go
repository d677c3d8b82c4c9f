package java

import (
	"net"
	"os"
	"testing"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/desk"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func TestJava(t *testing.T) {
	const chain, key, store = "/etc/site/tls/site.pem", "/etc/site/tls/site.key", "/etc/site/tls/site.p12"
	desk.Example{
		Programs: []string{"java"},
		Certificates: []stage.Certificate{{
			Type: lab.ECDSA, Chain: chain, Key: key,
			Staple: func(s *stage.Stage) string { return s.Path("/var/lib/restaple/staples/site.ocsp") },
		}},
		Configure: func(s *stage.Stage, address, listen string) {
			s.Install("Server.java", "/etc/site/Server.java")
			// A JVM's first request takes its time when several start at once.
			s.Install("server.args", "/etc/site/server.args", desk.Listen, listen,
				"cacheLifetime=300", "cacheLifetime=1", "responseTimeout=2000", "responseTimeout=20000")
			s.Write("/etc/site/address", []byte(address), 0o644)
			s.InstallRestaple(desk.Listen, listen)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			if said, code := s.Run("openssl", "pkcs12", "-export", "-in", s.Path(chain), "-inkey", s.Path(key),
				"-out", s.Path(store), "-passout", "pass:changeit"); code != 0 {
				s.T.Fatalf("openssl pkcs12: exit code %d\n%s", code, said)
			}
			address, err := os.ReadFile(s.Path("/etc/site/address"))
			if err != nil {
				s.T.Fatal(err)
			}
			host, port, err := net.SplitHostPort(string(address))
			if err != nil {
				s.T.Fatal(err)
			}
			return s.Start("java", "@"+s.Path("/etc/site/server.args"), s.Path("/etc/site/Server.java"), host, port)
		},
		Renewed:  func(*stage.Stage) []string { return []string{"systemctl restart site", ""} },
		Restarts: true,
	}.Prove(t)
}
