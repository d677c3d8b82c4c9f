package main

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

// manager stands for systemd: it has a notify socket and starts restaple with
// it.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t: t, conn: conn}
}

func (m *manager) start(watchdog time.Duration, args ...string) *exec.Cmd {
	m.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "NOTIFY_SOCKET="+m.conn.LocalAddr().String())
	if watchdog > 0 {
		cmd.Env = append(cmd.Env, "WATCHDOG_USEC="+strconv.FormatInt(watchdog.Microseconds(), 10))
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill() // if it has not ended
		_ = cmd.Wait()
		if m.t.Failed() {
			m.t.Log(said.String())
		}
	})
	return cmd
}

// next returns the lines of the next message that has a line with this
// beginning. Others are passed over, but not those that say READY=1 too early.
func (m *manager) next(beginning string) []string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("wait for %s: %v", beginning, err)
		}
		lines := strings.Split(string(buf[:n]), "\n")
		if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, beginning) }) {
			return lines
		}
		if slices.Contains(lines, "READY=1") {
			m.t.Fatalf("got %q, want %s first", lines, beginning)
		}
	}
}

// notifyLab is a directory with one certificate, and its responder.
func notifyLab(t *testing.T) (dir string, responder *lab.Responder) {
	t.Helper()
	pki, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if responder, err = lab.NewResponder(lab.ResponderOptions{CA: pki.Intermediate}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(responder)
	t.Cleanup(server.Close)
	issued, err := pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"site.test"}, Responders: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "site.pem"), issued.ChainPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, responder
}

func TestSystemdIsToldOfTheFirstPassReloadsAndTheStatus(t *testing.T) {
	t.Parallel()
	certs, responder := notifyLab(t)
	if err := responder.SetFault("slow=1s"); err != nil {
		t.Fatal(err)
	}
	m := newManager(t)
	config := filepath.Join(t.TempDir(), "restaple.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	good := "allow: [127.0.0.0/8]\ncertificates: [{paths: [" + certs + "]}]\n"
	write(good)
	start := time.Now()
	cmd := m.start(900*time.Millisecond, "run", "--config", config, "--state-dir", t.TempDir())

	m.next("STATUS=first pass")
	lines := m.next("READY=1")
	if took := time.Since(start); took < time.Second {
		t.Errorf("ready after %v, before the responder has answered", took)
	}
	if _, err := os.Stat(filepath.Join(certs, "site.pem.ocsp")); err != nil {
		t.Errorf("ready without the staple: %v", err)
	}
	if want := "STATUS=1 fresh, 0 failing"; !slices.Contains(lines, want) {
		t.Errorf("ready with %q, want %q in it", lines, want)
	}
	m.next("WATCHDOG=1")

	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if lines := m.next("RELOADING=1"); len(lines) != 2 || !strings.HasPrefix(lines[1], "MONOTONIC_USEC=") {
		t.Errorf("reloads with %q, want MONOTONIC_USEC", lines)
	}
	m.next("READY=1")
	m.next("STATUS=first pass") // of the new agent
	if lines, want := m.next("READY=1"), "STATUS=1 fresh, 0 failing"; !slices.Contains(lines, want) {
		t.Errorf("ready again with %q, want %q in it", lines, want)
	}

	write(good + "no_such_key: 1\n")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.next("RELOADING=1")
	m.next("READY=1")
	m.next("WATCHDOG=1") // the old one goes on

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestAHangingResponderDoesNotHoldServersThatWait(t *testing.T) {
	certs, responder := notifyLab(t)
	if err := responder.SetFault("hang"); err != nil {
		t.Fatal(err)
	}
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.conn.LocalAddr().String())
	n := newNotifier()
	n.patience = 300 * time.Millisecond
	s := notifySystem(t, certs)
	n.attach(&s.options)
	a, err := s.start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	until(t, "the responder is asked", func() bool { return responder.Received() > 0 })
	defer n.follow(ctx, a)()
	lines := m.next("READY=1")
	if want := "STATUS=0 fresh, 1 failing (1 pending)"; !slices.Contains(lines, want) {
		t.Errorf("ready with %q, want %q in it", lines, want)
	}
}

func TestTheWatchdogHearsNothingOfALoopThatIsStuck(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.conn.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "30000")
	n := newNotifier()
	n.patience = 10 * time.Millisecond
	s := notifySystem(t, t.TempDir())
	a, err := s.start() // nobody runs it: its loop answers nothing
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	end := n.follow(ctx, a)
	<-ctx.Done()
	end()
	n.tell("END=1")
	m.next("STATUS=first pass")
	if lines := m.next(""); !slices.Equal(lines, []string{"END=1"}) {
		t.Errorf("got %q of a loop that is stuck", lines)
	}
}

func notifySystem(t *testing.T, certs string) *system {
	t.Helper()
	f := workFlags{allow: []string{"127.0.0.0/8"}}
	c, only, err := f.load([]string{certs})
	if err != nil {
		t.Fatal(err)
	}
	s, err := assemble(c, only, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

func TestStatusLine(t *testing.T) {
	for _, c := range []struct {
		tally agent.Tally
		want  string
	}{
		{agent.Tally{}, "0 fresh, 0 failing"},
		{agent.Tally{States: map[agent.State]int{agent.Fresh: 312}}, "312 fresh, 0 failing"},
		{agent.Tally{States: map[agent.State]int{agent.Fresh: 3, agent.Revoked: 1, agent.Late: 2}, Failing: 1}, "3 fresh, 1 failing (2 late, 1 revoked)"},
	} {
		if got := statusLine(c.tally); got != c.want {
			t.Errorf("%v: got %q, want %q", c.tally, got, c.want)
		}
	}
}
