package haproxy

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/restaple/restaple/examples/internal/stage"
)

// inside is set in the process that has a /run of its own.
const inside = "RESTAPLE_TEST_OWN_RUN"

// TestHAProxyWithNothingSaidButItsName has `server: haproxy` in restaple's
// configuration, and nothing of a hook: staples go to the usual socket. Its path
// is what it is, so the test runs with another /run than the machine's.
func TestHAProxyWithNothingSaidButItsName(t *testing.T) {
	if os.Getenv(inside) == "" {
		withOwnRun(t)
		return
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("/run/haproxy", 0o755); err != nil {
		t.Fatal(err)
	}
	e := example("\n    hooks: [haproxy]\n\nhooks:\n  - name: haproxy\n    haproxy:\n      socket: /run/haproxy/admin.sock\n", "\n")
	configure := e.Configure
	e.Configure = func(s *stage.Stage, address string) {
		configure(s, address)
		config, err := os.ReadFile(s.Path("/etc/haproxy/haproxy.cfg"))
		if err != nil {
			t.Fatal(err)
		}
		// Neither is this socket on the stage.
		usual := strings.Replace(string(config), s.Path("/run/haproxy/admin.sock"), "/run/haproxy/admin.sock", 1)
		s.Write("/etc/haproxy/haproxy.cfg", []byte(usual), 0o644)
	}
	e.ProveRefreshed(t)
}

// withOwnRun runs the test once more, in a mount namespace of its own.
func withOwnRun(t *testing.T) {
	t.Helper()
	required := slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "haproxy")
	if _, err := exec.LookPath("haproxy"); err != nil && !required {
		t.Skip("haproxy is not installed")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	said, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) && !required:
		t.Skip("a mount namespace is not permitted here")
	case err != nil:
		t.Fatalf("%v\n%s", err, said)
	case !strings.Contains(string(said), "--- PASS: "+t.Name()):
		t.Fatalf("it was not run:\n%s", said)
	}
}
