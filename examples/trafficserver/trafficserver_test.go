package trafficserver

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

// owner is the user that Debian has Traffic Server run as.
const owner = "trafficserver"

// example is Traffic Server with restaple's configuration as it is shown, or
// with nothing in it but the name of the server, on a machine as it usually is.
func example(usual bool) stage.Example {
	return stage.Example{
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
			if usual {
				s.Machine(config, "/run", logs, cache)
				if err := os.CopyFS(s.Path(config), os.DirFS(config)); err != nil { // it needs some of what Debian puts there
					s.T.Fatal(err)
				}
			}
			s.Install("records.config", "/etc/trafficserver/records.config", "443:ssl", port+":ssl:ip-in="+host)
			s.Install("ssl_multicert.config", "/etc/trafficserver/ssl_multicert.config")
			layOut(s)
			if usual {
				s.WriteRestaple("certificates:\n- paths: [/etc/trafficserver/tls]\n  server: trafficserver\n")
				return
			}
			s.InstallRestaple()
			move(s)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("traffic_manager", "--nosyslog")
		},
		Aware: true,
		// A reload takes some seconds.
		Short:  stage.Window{Validity: 60 * time.Second, Age: 25 * time.Second},
		Ending: stage.Window{Validity: 80 * time.Second, Age: 64 * time.Second},

		Lag: 8 * time.Second, // it looks twice, three seconds apart

		Missing: stage.TryLater,
	}
}

func TestTrafficServer(t *testing.T) { example(false).Prove(t) }

// TestTrafficServerWithOneRevokedCertificate shows that there is a file for each
// certificate of a list at all times: without one of them, Traffic Server's
// process ends.
func TestTrafficServerWithOneRevokedCertificate(t *testing.T) { example(false).ProveLastRevoked(t) }

// TestTrafficServerWithNothingButItsName has restaple find it by itself.
func TestTrafficServerWithNothingButItsName(t *testing.T) { example(true).ProveRenewed(t) }

const (
	config  = "/etc/trafficserver"
	logs    = "/var/log/trafficserver"
	runtime = "/run/trafficserver"
	cache   = "/var/cache/trafficserver"
)

// layOut makes what Debian's package has made.
func layOut(s *stage.Stage) {
	for _, dir := range []string{config, logs, runtime, cache} {
		s.Dir(dir)
		s.Give(dir, owner)
	}
	s.Write(config+"/storage.config", []byte(cache+" 32M\n"), 0o644)
}

// move has Traffic Server's programs use what is on the stage.
func move(s *stage.Stage) {
	var layout strings.Builder
	for name, path := range map[string]string{
		"sysconfdir": config, "logdir": logs, "runtimedir": runtime, "localstatedir": "/run", "cachedir": cache,
	} {
		fmt.Fprintf(&layout, "%s: %s\n", name, s.Path(path))
	}
	s.Write("/runroot.yaml", []byte("prefix: /usr\nexec_prefix: /usr\nbindir: /usr/bin\nsbindir: /usr/sbin\n"+
		"libdir: /usr/lib/trafficserver\nlibexecdir: /usr/lib/trafficserver/modules\n"+layout.String()), 0o644)
	s.Write(config+"/storage.config", []byte(s.Path(cache)+" 32M\n"), 0o644)
	s.Env = append(s.Env, "TS_RUNROOT="+s.Path("/runroot.yaml"))
}
