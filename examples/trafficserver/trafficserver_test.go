package trafficserver

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

// owner is the user that Debian has Traffic Server run as.
const owner = "trafficserver"

func TestTrafficServer(t *testing.T) {
	stage.Example{
		Programs: []string{"traffic_manager", "traffic_ctl"},
		Certificates: []stage.Certificate{
			{Type: lab.RSA, Chain: "/etc/trafficserver/tls/rsa.pem", Key: "/etc/trafficserver/tls/rsa.key", Owner: owner},
			{Type: lab.ECDSA, Chain: "/etc/trafficserver/tls/ecdsa.pem", Key: "/etc/trafficserver/tls/ecdsa.key", Owner: owner},
		},
		Configure: func(s *stage.Stage, address string) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				s.T.Fatal(err)
			}
			s.Install("records.config", "/etc/trafficserver/records.config", "443:ssl", port+":ssl:ip-in="+host)
			s.Install("ssl_multicert.config", "/etc/trafficserver/ssl_multicert.config")
			s.InstallRestaple()
			layOut(s)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("traffic_manager", "--nosyslog")
		},
		// A reload takes some seconds.
		Short:  stage.Window{Validity: 60 * time.Second, Age: 25 * time.Second},
		Ending: stage.Window{Validity: 80 * time.Second, Age: 64 * time.Second},

		Missing: stage.None,
	}.Prove(t)
}

// layOut makes what Debian's package has made, and has Traffic Server's
// programs use it.
func layOut(s *stage.Stage) {
	var layout strings.Builder
	for _, dir := range []struct{ name, path string }{
		{"sysconfdir", "/etc/trafficserver"},
		{"logdir", "/var/log/trafficserver"},
		{"runtimedir", "/run/trafficserver"},
		{"localstatedir", "/run"},
		{"cachedir", "/var/cache/trafficserver"},
	} {
		s.Dir(dir.path)
		s.Give(dir.path, owner)
		fmt.Fprintf(&layout, "%s: %s\n", dir.name, s.Path(dir.path))
	}
	s.Write("/runroot.yaml", []byte("prefix: /usr\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\n"+
		"libdir: /usr/lib/trafficserver\nlibexecdir: /usr/lib/trafficserver/modules\n"+layout.String()), 0o644)
	s.Write("/etc/trafficserver/storage.config", []byte(s.Path("/var/cache/trafficserver")+" 32M\n"), 0o644)
	s.Env = append(s.Env, "TS_RUNROOT="+s.Path("/runroot.yaml"))
}
