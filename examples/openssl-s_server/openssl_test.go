package openssl

import (
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

func example() stage.Example {
	return stage.Example{
		Certificates: []stage.Certificate{
			{Type: lab.ECDSA, Chain: "/etc/ssl/site/site.pem", Key: "/etc/ssl/site/site.key"},
		},
		Configure: func(s *stage.Stage, address string) {
			s.Install("serve.sh", "/etc/ssl/serve.sh", "-accept 4433", "-accept "+address)
			s.InstallRestaple()
		},
		Serve: func(s *stage.Stage) *stage.Process {
			return s.Start("sh", s.Path("/etc/ssl/serve.sh"))
		},
		Restarts: true,
		Short:    stage.Window{Validity: 60 * time.Second, Age: 25 * time.Second},
		Ending:   stage.Window{Validity: 80 * time.Second, Age: 64 * time.Second},

		Missing: stage.TryLater,
	}
}

func TestSServer(t *testing.T) { example().Prove(t) }

// TestOpenSSLOCSP has `openssl ocsp` answer instead of the lab.
func TestOpenSSLOCSP(t *testing.T) { example().ProveWithOpenSSLOCSP(t) }
