package exim

import (
	"net"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

// owner is the user that Debian has Exim run as.
const owner = "Debian-exim"

func example() stage.Example {
	return stage.Example{
		Programs: []string{"exim4"},
		Certificates: []stage.Certificate{
			{Type: lab.RSA, Chain: "/etc/exim4/tls/rsa.pem", Key: "/etc/exim4/tls/rsa.key", Owner: owner},
			{Type: lab.ECDSA, Chain: "/etc/exim4/tls/ecdsa.pem", Key: "/etc/exim4/tls/ecdsa.key", Owner: owner},
		},
		SMTP: true,
		Configure: func(s *stage.Stage, address string) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				s.T.Fatal(err)
			}
			s.Install("exim4.conf", "/etc/exim4/exim4.conf", "= 25", "= "+port, "0.0.0.0", host)
			s.InstallRestaple()
			s.Dir("/run")
			for _, dir := range []string{"/var/log/exim4", "/var/spool/exim4"} {
				s.Dir(dir)
				s.Give(dir, owner)
			}
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("exim4", "-C", s.Path("/etc/exim4/exim4.conf"), "-bdf")
		},
		Short:  stage.Window{Validity: 60 * time.Second, Age: 25 * time.Second},
		Ending: stage.Window{Validity: 80 * time.Second, Age: 64 * time.Second},

		Missing: stage.None,
		// TLS fails while the key is the new one and the certificate the old.
		Gap: 5 * time.Second,
	}
}

func TestExim(t *testing.T) { example().Prove(t) }

// TestEximWithOneRevokedCertificate shows that the list of staples ends before
// the one that is missing.
func TestEximWithOneRevokedCertificate(t *testing.T) { example().ProveLastRevoked(t) }

// TestEximWithARenewedCertificate shows that the staple of an earlier
// certificate is not the end of TLS.
func TestEximWithARenewedCertificate(t *testing.T) { example().ProveRenewedAlone(t) }
