package prove

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// TestProverOfNginx proves across a reload of a real server.
func TestProverOfNginx(t *testing.T) {
	nginx := requireProgram(t, "nginx")
	w := newWorld(t, lab.IssueOptions{})
	dir, port := t.TempDir(), freePort(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	before, after := w.response(time.Hour, nil), w.response(time.Minute, nil)
	writeBundle(t, w, file("site.pem"))
	writeFile(t, file("s.ocsp"), before)
	writeFile(t, file("nginx.conf"), fmt.Appendf(nil, `daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	server {
		listen 127.0.0.1:%[2]s ssl;
		ssl_certificate %[1]s/site.pem; ssl_certificate_key %[1]s/site.pem;
		ssl_stapling on; ssl_stapling_file %[1]s/s.ocsp;
	}
}
`, dir, port))
	running := start(t, exec.CommandContext(t.Context(), nginx, "-p", dir, "-c", file("nginx.conf"), "-e", file("error.log")))
	at := []Address{{HostPort: "127.0.0.1:" + port, ServerName: "site.test"}}

	patient, impatient := &Prover{}, &Prover{Within: -1}
	if got := patient.Prove(t.Context(), at, expect(w, file("s.ocsp"))); got[0].Result != Proven {
		t.Fatalf("at the start: %+v", got[0])
	}
	writeFile(t, file("s.ocsp"), after)
	if got := impatient.Prove(t.Context(), at, expect(w, file("s.ocsp"))); got[0].Result != OlderServed {
		t.Errorf("before the reload: %+v", got[0])
	}
	if err := running.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if got := patient.Prove(t.Context(), at, expect(w, file("s.ocsp"))); got[0].Result != Proven {
		t.Errorf("after the reload: %+v", got[0])
	}
}

// TestProverOfHAProxy: no reload is needed to see that a staple which HAProxy
// ignored is not served.
func TestProverOfHAProxy(t *testing.T) {
	haproxy := requireProgram(t, "haproxy")
	w := newWorld(t, lab.IssueOptions{})
	for name, row := range map[string]struct {
		ocsp []byte
		want Result
	}{
		"good":          {w.response(time.Minute, nil), Proven},
		"no nextUpdate": {w.response(time.Minute, func(r *lab.Response) { r.Singles[0].NextUpdate = time.Time{} }), NoneServed},
	} {
		t.Run(name, func(t *testing.T) {
			dir, port := t.TempDir(), freePort(t)
			file := func(name string) string { return filepath.Join(dir, name) }
			writeBundle(t, w, file("site.pem"))
			writeFile(t, file("site.pem.ocsp"), row.ocsp)
			writeFile(t, file("haproxy.cfg"), fmt.Appendf(nil, `defaults
	mode http
	timeout client 5s
	timeout server 5s
	timeout connect 5s
frontend f
	bind 127.0.0.1:%[2]s ssl crt %[1]s/site.pem
`, dir, port))
			start(t, exec.CommandContext(t.Context(), haproxy, "-db", "-f", file("haproxy.cfg")))
			at := Address{HostPort: "127.0.0.1:" + port}
			awaitListener(t, at)
			got := (&Prover{Within: -1}).Prove(t.Context(), []Address{at}, expect(w, file("site.pem.ocsp")))
			if got[0].Result != row.want {
				t.Errorf("got %+v, want %s", got[0], row.want)
			}
		})
	}
}

// start runs a server until the test is over.
func start(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // workers go with their master
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", strings.TrimSpace(out.String()))
		}
	})
	return cmd
}

func awaitListener(t *testing.T, at Address) {
	t.Helper()
	for range 3000 { // half a minute
		if conn, err := net.Dial("tcp", at.HostPort); err == nil {
			conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nobody listens at %s", at)
}

func writeBundle(t *testing.T, w *world, path string) {
	t.Helper()
	bundle, err := w.issued.BundlePEM()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, bundle)
}

// freePort returns a port that nothing listened at just now; servers cannot say
// which one they took. It is below those that are given to outgoing connections,
// or one of them might take it.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10000 + rand.IntN(10000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}
