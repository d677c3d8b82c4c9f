package lighttpd

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

const (
	config = "/etc/lighttpd/lighttpd.conf"
	key    = "/etc/lighttpd/tls/site.key"
	logs   = "/var/log/lighttpd"
	owner  = "www-data" // whom Debian has lighttpd run as
)

// example is lighttpd with restaple's configuration as it is shown, or with
// nothing in it but the name of the server, on a machine as it usually is.
func example(usual bool) stage.Example {
	return stage.Example{
		Programs: []string{"lighttpd"},
		Certificates: []stage.Certificate{
			{Type: lab.ECDSA, Chain: "/etc/lighttpd/tls/site.pem", Key: key, Owner: owner},
		},
		Configure: func(s *stage.Stage, address string) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				s.T.Fatal(err)
			}
			if usual {
				s.Machine("/etc/lighttpd", "/run", logs)
				s.WriteRestaple("certificates:\n- paths: [/etc/lighttpd/tls]\n  server: lighttpd\n")
			} else {
				s.InstallRestaple()
			}
			s.Install("lighttpd.conf", config, "server.port          = 443", "server.port = "+port+"\nserver.bind = \""+host+"\"")
			for _, dir := range []string{"/run", logs, "/var/www/html"} {
				s.Dir(dir)
			}
			s.Give(logs, owner)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			if usual {
				return s.Start("lighttpd", "-D", "-f", config)
			}
			return s.Start("lighttpd", "-D", "-f", s.Path(config))
		},
		Aware: true,

		NewestTLS: true, // 1.4.79 speaks TLS 1.3 only, unless it is told otherwise

		Short:  stage.Window{Validity: 60 * time.Second, Age: 25 * time.Second},
		Ending: stage.Window{Validity: 80 * time.Second, Age: 64 * time.Second},

		Missing: stage.None,
	}
}

func TestLighttpd(t *testing.T) { example(false).Prove(t) }

// TestLighttpdWithNothingButItsName leaves newer staples to lighttpd.
func TestLighttpdWithNothingButItsName(t *testing.T) { example(true).ProveGone(t) }

// TestLighttpdLooksByItself waits until lighttpd finds the newer staple: it looks
// every 64 s when the one it has ends in less than 256 s, and may miss a turn.
func TestLighttpdLooksByItself(t *testing.T) {
	if os.Getenv("RESTAPLE_TEST_SLOW") == "" {
		t.Skip("it takes two minutes; set RESTAPLE_TEST_SLOW for it")
	}
	e := betweenTurns(example(true))
	e.Short = stage.Window{Validity: 400 * time.Second, Age: 170 * time.Second}
	e.Patience = 3 * time.Minute
	e.ProveUntold(t)
}

// betweenTurns has the scene begin when there is time until lighttpd looks at the
// file: it does whenever the seconds of the clock can be divided by 64.
func betweenTurns(e stage.Example) stage.Example {
	const turns, takes = 64 * time.Second, 30 * time.Second
	configure := e.Configure
	e.Configure = func(s *stage.Stage, address string) {
		since := time.Duration(time.Now().UnixNano()) % turns
		if since > turns-takes {
			<-time.After(turns - since)
		}
		configure(s, address)
	}
	return e
}

// TestLighttpdThatMayNotReadItsKey shows that lighttpd is not told to restart
// when it would not come back.
func TestLighttpdThatMayNotReadItsKey(t *testing.T) {
	betweenTurns(example(true)).ProveBlocked(t, stage.Blocked{
		Break:  func(s *stage.Stage) { s.Give(key, "root") },
		Mend:   func(s *stage.Stage) { s.Give(key, owner) },
		Revoke: true,
		Says:   "check, so the command was not run: setpriv: exit status 255: ",
	})
}
