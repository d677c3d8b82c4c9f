package hitch

import (
	"crypto/md5"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

const (
	certificate = "/etc/hitch/site.pem"
	ocspDir     = "/var/lib/hitch/"
	pidFile     = "/run/hitch.pid"
)

// nameOf is what hitch calls the staple of a certificate.
func nameOf(path string) string { return fmt.Sprintf("%x", md5.Sum([]byte(path))) }

func TestHitch(t *testing.T) {
	stage.Example{
		Programs: []string{"hitch"},
		Certificates: []stage.Certificate{{
			Type: lab.ECDSA, Chain: certificate,
			Staple: func(s *stage.Stage) string { return s.Path(ocspDir + nameOf(s.Path(certificate))) },
		}},
		Configure: func(s *stage.Stage, address string) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				s.T.Fatal(err)
			}
			s.Install("hitch.conf", "/etc/hitch/hitch.conf", "[*]:443", "["+host+"]:"+port)
			// The path of the certificate is another one on the stage, and
			// there is more than one hitch.
			s.InstallRestaple(
				ocspDir+nameOf(certificate), ocspDir+nameOf(s.Path(certificate)),
				"process: hitch", "pid_file: "+pidFile)
			s.Dir("/run")
			s.Dir(ocspDir)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("hitch", "--config="+s.Path("/etc/hitch/hitch.conf"), "--pidfile="+s.Path(pidFile))
		},
		Reload:      func(_ *stage.Stage, server *stage.Process) { server.Signal(syscall.SIGHUP) },
		HookReloads: true,
		Short:       stage.Window{Validity: 30 * time.Second, Age: 10 * time.Second},
		Ending:      stage.Window{Validity: 16 * time.Second, Age: 6 * time.Second},

		Missing:      stage.None,
		RevokedAtEnd: true, // hitch goes on with the good one
		Gaps:         true, // now and then a handshake fails when hitch reloads
	}.Prove(t)
}
