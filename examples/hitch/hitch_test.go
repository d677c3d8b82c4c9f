package hitch

import (
	"crypto/md5"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

const (
	certificate = "/etc/hitch/site.pem"
	ocspDir     = "/var/lib/hitch"
	config      = "/etc/hitch/hitch.conf"
)

// nameOf is what hitch calls the staple of a certificate.
func nameOf(path string) string { return fmt.Sprintf("%x", md5.Sum([]byte(path))) }

// example is hitch with restaple's configuration as it is shown, or with
// nothing in it but the name of the server, on a machine as it usually is.
func example(usual bool) stage.Example {
	return stage.Example{
		Programs: []string{"hitch"},
		Certificates: []stage.Certificate{{
			Type: lab.ECDSA, Chain: certificate,
			Staple: func(s *stage.Stage) string {
				if usual {
					return s.Path(ocspDir + "/" + nameOf(certificate))
				}
				return s.Path(ocspDir + "/" + nameOf(s.Path(certificate)))
			},
		}},
		Configure: func(s *stage.Stage, address string) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				s.T.Fatal(err)
			}
			if usual {
				s.Machine("/etc/hitch", ocspDir)
			}
			s.Install("hitch.conf", config, "[*]:443", "["+host+"]:"+port)
			s.Dir(ocspDir) // of root: otherwise hitch, which asks by itself, may be the one who wrote there
			if usual {
				s.WriteRestaple("certificates:\n- paths: [" + certificate + "]\n  server: hitch\n")
				return
			}
			// The hook finds hitch by its name, and this is not the only one.
			rename(s, "hitch"+port)
			s.InstallRestaple("process: hitch", "process: hitch"+port)
		},
		Serve: func(s *stage.Stage) *stage.Process {
			if usual {
				return s.Start("hitch", "--config="+config)
			}
			return s.Start(renamed(s), "--config="+s.Path(config))
		},
		Aware:       usual,
		Reload:      func(_ *stage.Stage, server *stage.Process) { server.Signal(syscall.SIGHUP) },
		HookReloads: !usual,
		Short:       stage.Window{Validity: 60 * time.Second, Age: 25 * time.Second},
		Ending:      stage.Window{Validity: 80 * time.Second, Age: 64 * time.Second},

		Missing:      stage.None,
		RevokedAtEnd: true,            // hitch goes on with the good one
		Gap:          5 * time.Second, // now and then a handshake fails when hitch reloads
	}
}

func TestHitch(t *testing.T) { example(false).Prove(t) }

// TestHitchWithNothingButItsName leaves it to restaple where hitch looks for
// staples; whoever deploys a certificate has hitch reload.
func TestHitchWithNothingButItsName(t *testing.T) { example(true).Prove(t) }

// TestHitchThatOverlooksAStaple has hitch start slowly: it looks for the staple,
// then it starts the process that watches for newer ones.
func TestHitchThatOverlooksAStaple(t *testing.T) {
	e := example(true)
	e.Serve = func(s *stage.Stage) *stage.Process {
		return s.StartSlowed("clone", 5*time.Second, "openat", "hitch", "--config="+config)
	}
	e.ProveOverlooked(t, nameOf(certificate)+`", O_RDONLY) = -1 ENOENT`)
}

// TestHitchWithACertificateThatNamesNoResponder shows that the hook has hitch
// read a file that it does not watch.
func TestHitchWithACertificateThatNamesNoResponder(t *testing.T) {
	e := example(false)
	e.Silent = true
	configure := e.Configure
	e.Configure = func(s *stage.Stage, address string) {
		configure(s, address)
		const path = "/etc/restaple/restaple.yaml"
		yaml, err := os.ReadFile(s.Path(path))
		if err != nil {
			t.Fatal(err)
		}
		const after = "server: hitch\n"
		s.Write(path, []byte(strings.Replace(string(yaml), after, after+"    responder: "+s.Responder()+"\n", 1)), 0o644)
	}
	e.ProveRefreshed(t)
}

const programs = "/usr/sbin/"

// rename puts a hitch of another name on the stage.
func rename(s *stage.Stage, name string) {
	s.T.Helper()
	installed, err := exec.LookPath("hitch")
	if err != nil {
		s.T.Fatal(err)
	}
	program, err := os.ReadFile(installed)
	if err != nil {
		s.T.Fatal(err)
	}
	s.Write(programs+name, program, 0o755)
}

func renamed(s *stage.Stage) string {
	s.T.Helper()
	found, err := filepath.Glob(s.Path(programs + "hitch*"))
	if err != nil || len(found) != 1 {
		s.T.Fatalf("got %v, %v, want one hitch", found, err)
	}
	return found[0]
}
