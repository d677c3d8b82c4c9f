package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/staple"
)

// serverUnderTest is how a real server is started with a staple file.
type serverUnderTest struct {
	program string
	config  string                    // of the directory, with %[1]s for it and %[2]s for the port
	args    func(dir string) []string // to run it in the foreground
	staple  string                    // name of the staple file in the directory
	scheme  string                    // before host:port, "" for TLS from the start
	user    string                    // that root gives the directory to
}

func serversUnderTest() map[string]serverUnderTest {
	return map[string]serverUnderTest{
		"nginx": {
			program: "nginx", staple: "staple.der",
			config: `daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server {
		listen 127.0.0.1:%[2]s ssl;
		ssl_certificate %[1]s/site.pem; ssl_certificate_key %[1]s/site.pem;
		ssl_stapling on; ssl_stapling_file %[1]s/staple.der;
	}
}
`,
			args: func(dir string) []string { return []string{"-p", dir, "-c", dir + "/config", "-e", dir + "/error.log"} },
		},
		"haproxy": {
			program: "haproxy", staple: "site.pem.ocsp",
			config: `defaults
	mode http
	timeout client 5s
	timeout server 5s
	timeout connect 5s
frontend f
	bind 127.0.0.1:%[2]s ssl crt %[1]s/site.pem
`,
			args: func(dir string) []string { return []string{"-db", "-f", dir + "/config"} },
		},
		"lighttpd": {
			program: "lighttpd", staple: "staple.der",
			config: `server.modules = ("mod_openssl")
server.document-root = "%[1]s"
server.bind = "127.0.0.1"
server.port = %[2]s
server.errorlog = "%[1]s/error.log"
ssl.engine = "enable"
ssl.pemfile = "%[1]s/site.pem"
ssl.stapling-file = "%[1]s/staple.der"
`,
			args: func(dir string) []string { return []string{"-D", "-f", dir + "/config"} },
		},
		"hitch": {
			program: "hitch", staple: "staple.der",
			config: `frontend = "[127.0.0.1]:%[2]s"
backend = "[127.0.0.1]:1"
pem-file = { cert = "%[1]s/site.pem" ocsp-resp-file = "%[1]s/staple.der" }
ocsp-dir = ""
` + unprivileged(),
			args: func(dir string) []string { return []string{"--config=" + dir + "/config"} },
		},
		"exim": {
			program: "exim", staple: "staple.der", scheme: "smtp://", user: "Debian-exim",
			config: `primary_hostname = localhost
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = %[1]s
log_file_path = %[1]s/%%slog
pid_file_path = %[1]s/pid
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[2]s
tls_advertise_hosts = *
tls_certificate = %[1]s/site.pem
tls_privatekey = %[1]s/site.pem
tls_ocsp_file = %[1]s/staple.der
host_lookup =
rfc1413_hosts =
acl_smtp_connect = accept
`,
			args: func(dir string) []string { return []string{"-C", dir + "/config", "-bdf"} },
		},
	}
}

// giveTo lets a server that gives up root write into a directory.
func giveTo(t *testing.T, program, name, dir string) {
	t.Helper()
	owner, err := user.Lookup(name)
	if err != nil || os.Geteuid() != 0 {
		if required(program) {
			t.Fatalf("RESTAPLE_TEST_REQUIRE names %s, which needs root and the user %s: %v", program, name, err)
		}
		t.Skipf("needs root and the user %s: %v", name, err)
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(dir, uid, -1), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
}

// unprivileged is what hitch wants of root.
func unprivileged() string {
	if os.Geteuid() != 0 {
		return ""
	}
	return "user = \"nobody\"\ngroup = \"nogroup\"\n"
}

// TestServersReactAsForeseen asks the servers themselves.
func TestServersReactAsForeseen(t *testing.T) {
	all := samples(t, newPKI(t), time.Now().Truncate(time.Second))
	for name, server := range serversUnderTest() {
		t.Run(name, func(t *testing.T) {
			program := requireProgram(t, server.program)
			readers, err := ReadersByName([]string{name})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				t.Run(string(s.trait), func(t *testing.T) {
					want := readers[0].Foresee(TraitsOf(s.der, s.chain(t), time.Now()))
					does, served, said := startWith(t, program, server, s)
					if does != want.Does {
						t.Fatalf("it %s, want that it %s (%s)\n%s", does, want.Does, want.Detail, said)
					}
					if does == Serves && !bytes.HasPrefix(s.der, served) {
						t.Errorf("it serves other octets than the file holds")
					}
					if whole := len(served) == len(s.der); s.trait == trailing && does == Serves && whole != (name == "haproxy") {
						t.Errorf("of %d octets it serves %d", len(s.der), len(served))
					}
				})
			}
		})
	}
}

// maxFailed is how many connections in a row have to fail for a server to count as
// one that speaks no TLS.
const maxFailed = 5

// startWith starts a server with a staple file and says what it does with it.
func startWith(t *testing.T, program string, server serverUnderTest, s sample) (does Reaction, served []byte, said string) {
	t.Helper()
	dir := t.TempDir()
	bundle, err := s.issued.BundlePEM()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	for name, content := range map[string][]byte{
		"site.pem":    bundle,
		server.staple: s.der,
		"config":      fmt.Appendf(nil, server.config, dir, port),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if server.user != "" {
		giveTo(t, server.program, server.user, dir)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, server.args(dir)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // workers go with their master
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		if does != Fails {
			stop()
			<-ended
		}
		log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
		said = out.String() + string(log)
	}()
	at, err := prove.ParseAddress(server.scheme + "127.0.0.1:" + port)
	if err != nil {
		t.Fatal(err)
	}
	for failed := 0; ; {
		seen, err := prove.Probe(ctx, prove.Options{Address: at, Timeout: time.Second})
		switch failure, _ := errors.AsType[*prove.Error](err); {
		case err == nil && len(seen.Staple) == 0:
			return Ignores, nil, ""
		case err == nil:
			return Serves, seen.Staple, ""
		case strings.Contains(err.Error(), "no answer within"):
			continue // Exim sometimes sleeps over the first connection after its start
		case failure.Stage == prove.Connecting:
		default: // it is there, but speaks no TLS, or not yet: hitch resets what comes while it starts
			if failed++; failed == maxFailed {
				stop()
				<-ended
				return Fails, nil, ""
			}
		}
		select {
		case <-ended:
			return Fails, nil, ""
		case <-time.After(time.Duration(1+failed) * 10 * time.Millisecond):
		}
	}
}

// freePort returns a port that nothing listened at just now; servers cannot say
// which one they took. It is below those that are given to outgoing connections,
// or one of them might take it.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10000 + rand.IntN(10000))
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			listener.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// TestWhatIsRefusedIsWhatIsForeseen holds what is kept from a server beside
// what the server would do with it.
func TestWhatIsRefusedIsWhatIsForeseen(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	verified := make(map[Trait]bool)
	for _, s := range samples(t, newPKI(t), now) {
		statement, err := staple.Verify(s.der, s.chain(t), now, staple.Options{})
		if e, ok := errors.AsType[*staple.Error](err); ok {
			statement = e.Statement
		}
		if statement == nil {
			continue // it is placed for nobody
		}
		verified[s.trait] = true
		for _, r := range servers() {
			p, err := ByName(r.Name)
			if err != nil {
				t.Fatal(err)
			}
			does := r.Foresee(TraitsOf(s.der, s.chain(t), now))
			if err := p.Accept(statement, now); (err == nil) != (does.Does == Serves) {
				t.Errorf("%s, %s: refused for %v, and it %s (%s)", r.Name, s.trait, err, does.Does, does.Detail)
			}
		}
	}
	for _, trait := range []Trait{over10K, over16K, multi, sha256ID, noNextUpdate, endingSoon, saysRevoked, saysUnknown, old, good} {
		if !verified[trait] {
			t.Errorf("%s: no sample that verifies", trait)
		}
	}
}
