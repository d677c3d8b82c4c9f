package profile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/prove"
)

// TestTrafficServerReactsAsForeseen has one Traffic Server, which takes seconds
// to start, serve every sample, each at an address of its own; but for those
// with which it does not live.
func TestTrafficServerReactsAsForeseen(t *testing.T) {
	t.Parallel()
	program := requireProgram(t, "traffic_server")
	all := samples(t, newPKI(t), time.Now().Truncate(time.Second))
	reader, err := ReadersByName([]string{"trafficserver"})
	if err != nil {
		t.Fatal(err)
	}
	foresee := func(s sample) Foresight { return reader[0].Foresee(TraitsOf(s.der, s.chain(t), time.Now())) }
	var together []sample
	for _, s := range all {
		want := foresee(s)
		if want.Does != Fails {
			together = append(together, s)
			continue
		}
		t.Run(string(s.trait), func(t *testing.T) {
			if _, err := trafficServer(t, program, []sample{s}); err == nil {
				t.Errorf("it does not fail (%s)", want.Detail)
			}
		})
	}
	served, err := trafficServer(t, program, together)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range together {
		does := Ignores
		if len(served[i]) > 0 {
			does = Serves
		}
		if want := foresee(s); does != want.Does {
			t.Errorf("%s: it %s, want that it %s (%s)", s.trait, does, want.Does, want.Detail)
		}
		if does == Serves && s.trait != trailing && !bytes.Equal(s.der, served[i]) {
			t.Errorf("%s: it serves other octets than the file holds", s.trait)
		}
	}
}

// trafficServer starts a Traffic Server with samples, and returns what it
// staples to each. It is an error if it ends, or presents no certificate.
func trafficServer(t *testing.T, program string, all []sample) (served [][]byte, err error) {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	multicert := new(strings.Builder)
	files := make(map[string][]byte)
	address := func(i int) string { return fmt.Sprintf("127.0.0.%d", i+1) }
	for i, s := range all {
		bundle, err := s.issued.BundlePEM()
		if err != nil {
			t.Fatal(err)
		}
		files[fmt.Sprintf("%d.pem", i)], files[fmt.Sprintf("%d.ocsp", i)] = bundle, s.der
		fmt.Fprintf(multicert, "dest_ip=%s ssl_cert_name=%d.pem ssl_ocsp_name=%d.ocsp\n", address(i), i, i)
	}
	files["ssl_multicert.config"] = []byte(multicert.String())
	files["storage.config"] = fmt.Appendf(nil, "%s 32M\n", dir)
	files["records.config"] = fmt.Appendf(nil, `CONFIG proxy.config.http.server_ports STRING %[2]s:ssl
CONFIG proxy.config.admin.user_id STRING trafficserver
CONFIG proxy.config.ssl.server.cert.path STRING %[1]s
CONFIG proxy.config.ssl.server.private_key.path STRING %[1]s
CONFIG proxy.config.ssl.ocsp.enabled INT 1
CONFIG proxy.config.ssl.ocsp.response.path STRING %[1]s
CONFIG proxy.config.ssl.ocsp.cache_timeout INT 31536000
`, dir, port)
	files["runroot.yaml"] = fmt.Appendf(nil, `prefix: /usr
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
sysconfdir: %[1]s
logdir: %[1]s
runtimedir: %[1]s
localstatedir: %[1]s
cachedir: %[1]s
`, dir)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	giveTo(t, "traffic_server", "trafficserver", dir)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "TS_RUNROOT="+filepath.Join(dir, "runroot.yaml"))
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	var end error // once it has
	go func() { defer close(ended); end = cmd.Wait() }()
	defer func() {
		stop()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		if log, _ := os.ReadFile(filepath.Join(dir, "diags.log")); t.Failed() || err != nil {
			t.Logf("%s\n%s", out.String(), log)
		}
	}()
	for i := range all {
		at, err := prove.ParseAddress(address(i) + ":" + port)
		if err != nil {
			t.Fatal(err)
		}
		for {
			seen, err := prove.Probe(ctx, prove.Options{Address: at})
			if err == nil {
				served = append(served, seen.Staple)
				break
			}
			if e, ok := errors.AsType[*prove.Error](err); ok && e.Stage != prove.Connecting {
				return nil, err
			}
			select {
			case <-ended:
				return nil, fmt.Errorf("it has ended: %w", end)
			case <-ctx.Done():
				return nil, err
			case <-time.After(50 * time.Millisecond): // it is still starting
			}
		}
	}
	return served, nil
}
