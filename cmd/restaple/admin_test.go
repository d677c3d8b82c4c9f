package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/admin"
	"github.com/restaple/restaple/agent/config"
)

// adminConfig is a configuration for the certificates of s.
func (s *scene) adminConfig(text string) *config.Config {
	s.t.Helper()
	c, err := config.Parse("test.yaml", []byte("state_dir: "+s.state+"\nallow: [127.0.0.0/8]\ncertificates: [{paths: ["+s.dir+"]}]\n"+text))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// underAdmin runs an agent with c behind d until it is told to stop.
func (s *scene) underAdmin(ctx context.Context, d *door, c *config.Config) (stop func()) {
	s.t.Helper()
	sys, err := assemble(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	passed := make(chan struct{})
	sys.options.Ready = func() { close(passed) }
	d.attach(sys)
	opened, err := d.open(c.Admin)
	if err != nil {
		s.t.Fatal(err)
	}
	a, err := sys.start()
	if err != nil {
		s.t.Fatal(err)
	}
	d.show(ctx, a, opened, slog.New(slog.DiscardHandler))
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(running) }()
	select {
	case <-passed:
	case <-time.After(patience):
		s.t.Fatalf("the first pass is not over after %v", patience)
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("Run: %v", err)
		}
		sys.client.Close()
	}
}

// metricsAt returns what a scraper gets over a Unix socket.
func metricsAt(t *testing.T, path string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	resp, err := client.Get("http://localhost/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAdminOutlivesConfigurations does what reloads do: the same listener, no
// series by certificate and then some, another listener, none.
func TestAdminOutlivesConfigurations(t *testing.T) {
	s := newScene(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := newDoor(slog.New(slog.DiscardHandler))
	defer func() { d.shut() }()
	first, second := filepath.Join(s.state, "1.sock"), filepath.Join(s.state, "2.sock")

	stop := s.underAdmin(ctx, d, s.adminConfig("admin: {listen: 'unix:"+first+"'}"))
	r, err := admin.FetchStatus(ctx, "unix:"+first)
	if err != nil || !r.OK || len(r.Certificates) != 1 || len(r.Responders) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	wrote := "restaple_writes_total{event=\"placed\"} 1\n"
	asked := "restaple_attempts_total{reason=\"good\",responder=\"" + r.Responders[0].Host + "\"} 1\n"
	for _, want := range []string{wrote, asked, "restaple_ready 1\n", "restaple_certificates{state=\"fresh\"} 1\n"} {
		if text := metricsAt(t, first); !strings.Contains(text, want) {
			t.Errorf("metrics lack %s:\n%s", want, text)
		}
	}
	stop()
	if text := metricsAt(t, first); !strings.Contains(text, wrote) {
		t.Error("between two agents: counters are gone")
	}

	stop = s.underAdmin(ctx, d, s.adminConfig("admin: {listen: 'unix:"+first+"', per_certificate_series: true}"))
	if text := metricsAt(t, first); !strings.Contains(text, wrote) || !strings.Contains(text, "restaple_staple_expiry_timestamp_seconds{path=\""+s.cert) {
		t.Errorf("after a reload:\n%s", text)
	}
	stop()

	stop = s.underAdmin(ctx, d, s.adminConfig("admin: {listen: 'unix:"+second+"'}"))
	if text := metricsAt(t, second); !strings.Contains(text, wrote) || strings.Contains(text, s.cert) {
		t.Errorf("after a move:\n%s", text)
	}
	if _, err := os.Lstat(first); !os.IsNotExist(err) {
		t.Errorf("the old socket: %v, want it gone", err)
	}
	stop()

	stop = s.underAdmin(ctx, d, s.adminConfig(""))
	if _, err := os.Lstat(second); !os.IsNotExist(err) {
		t.Errorf("after the listener was taken out of the configuration: %v, want no socket", err)
	}
	stop()
}

// TestAdminThatCannotBeOpened keeps the one there is.
func TestAdminThatCannotBeOpened(t *testing.T) {
	s := newScene(t)
	d := newDoor(slog.New(slog.DiscardHandler))
	path := filepath.Join(s.state, "a.sock")
	stop := s.underAdmin(t.Context(), d, s.adminConfig("admin: {listen: 'unix:"+path+"'}"))
	defer func() { stop(); d.shut() }()
	if _, err := d.open(config.Admin{Listen: "unix:/nowhere/x.sock"}); err == nil || !strings.Contains(err.Error(), "/nowhere/x.sock") {
		t.Errorf("opened where nothing can be: %v", err)
	}
	other, err := d.open(config.Admin{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	address := other.listener.Addr().String()
	other.shut() // something else was wrong
	if _, err := admin.FetchStatus(t.Context(), address); err == nil {
		t.Errorf("somebody answers at %s", address)
	}
	if _, err := admin.FetchStatus(t.Context(), "unix:"+path); err != nil {
		t.Errorf("the old listener: %v", err)
	}
}

// TestHangupKeepsWhatWasCounted is the whole of it, in a process of its own.
func TestHangupKeepsWhatWasCounted(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	socket := filepath.Join(s.state, "admin.sock")
	file := filepath.Join(t.TempDir(), "restaple.yaml")
	config := func(text string) {
		s.write(file, fmt.Appendf(nil, `state_dir: %s
allow: [127.0.0.0/8]
certificates: [{paths: [%s], hooks: [{name: told, command: ["true"], delay: 0s}]}]
admin: {listen: "unix:%s"%s}
`, s.state, s.dir, socket, text))
	}
	config("")
	p := startProcess(t, "run", "--config", file)
	until(t, "the first staple", exists(s.cert+".ocsp"))
	has := func(lines ...string) func() bool {
		return func() bool {
			text := metricsAt(t, socket)
			return !slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(text, "\n"+line+"\n") })
		}
	}
	counted := []string{`restaple_writes_total{event="placed"} 1`, `restaple_hook_runs_total{hook="told",result="success"} 1`, `restaple_ready 1`}
	until(t, "all is counted", has(counted...))

	config(", nonsense: 1")
	p.signal(syscall.SIGHUP)
	until(t, "the mistake shows", has(append(counted, "restaple_config_last_reload_successful 0")...))

	config(", per_certificate_series: true")
	p.signal(syscall.SIGHUP)
	until(t, "the new configuration shows", has(append(counted, "restaple_config_last_reload_successful 1",
		fmt.Sprintf("restaple_certificate_must_staple{path=%q,staple=%q} 0", s.cert, s.cert+".ocsp"))...))

	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want a clean end", err)
	}
	if exists(socket)() {
		t.Error("the socket is left")
	}
}
