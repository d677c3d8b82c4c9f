package lighttpd

import (
	"net"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func TestLighttpd(t *testing.T) {
	stage.Example{
		Programs: []string{"lighttpd"},
		Certificates: []stage.Certificate{
			{Type: lab.ECDSA, Chain: "/etc/lighttpd/tls/site.pem", Key: "/etc/lighttpd/tls/site.key"},
		},
		Configure: func(s *stage.Stage, address string) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				s.T.Fatal(err)
			}
			s.Install("lighttpd.conf", "/etc/lighttpd/lighttpd.conf",
				"server.port          = 443", "server.port = "+port+"\nserver.bind = \""+host+"\"")
			s.InstallRestaple()
			for _, dir := range []string{"/run", "/var/log/lighttpd", "/var/www/html"} {
				s.Dir(dir)
			}
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("lighttpd", "-D", "-f", s.Path("/etc/lighttpd/lighttpd.conf"))
		},
		Short:  stage.Window{Validity: 30 * time.Second, Age: 10 * time.Second},
		Ending: stage.Window{Validity: 16 * time.Second, Age: 6 * time.Second},

		Missing: stage.None,
	}.Prove(t)
}
