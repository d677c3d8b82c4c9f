// Package systemd tests the units.
package systemd

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program is where the units start restaple.
const program = "/usr/bin/restaple"

// dropIns are examples that widen what the service may do.
const dropIns = "../../examples/systemd"

// analyze runs systemd-analyze, and returns what it says.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "systemd-analyze") {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed")
	}
	said, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	return string(said), err
}

// units copies units into a directory, where they start a program that is
// there.
func units(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, filepath.Base(f)), strings.ReplaceAll(string(text), program, "/bin/true"))
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	return paths
}

// verify returns what systemd says of the units in a directory: nothing, if it
// has no complaint.
func verify(t *testing.T, dir string) string {
	t.Helper()
	args := []string{"verify", "--man=no"}
	for _, ext := range []string{"service", "timer", "path"} {
		paths, err := filepath.Glob(filepath.Join(dir, "*."+ext))
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, paths...)
	}
	said, err := analyze(t, args...)
	if err != nil {
		said += err.Error()
	}
	return said
}

func TestSystemdHasNoComplaintAboutTheUnits(t *testing.T) {
	own := append(glob(t, "*.service"), glob(t, "*.timer")...)
	more := append(glob(t, dropIns+"/*.service"), glob(t, dropIns+"/*.path")...)
	dir := units(t, append(own, more...)...)
	if said := verify(t, dir); said != "" {
		t.Errorf("systemd-analyze verify:\n%s", said)
	}
	write(t, filepath.Join(dir, "restaple.service.d", "typo.conf"), "[Service]\nReadWritePath=/srv\n")
	if said := verify(t, dir); !strings.Contains(said, "ReadWritePath") {
		t.Errorf("got %q for a key that there is not: this test shows nothing", said)
	}
}

func TestEachDropInIsRightForBothServices(t *testing.T) {
	for _, path := range glob(t, dropIns+"/restaple.service.d/*.conf") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dir := units(t, glob(t, "*.service")...)
		for _, service := range []string{"restaple.service", "restaple-refresh.service"} {
			write(t, filepath.Join(dir, service+".d", filepath.Base(path)), string(text))
		}
		if said := verify(t, dir); said != "" {
			t.Errorf("%s: systemd-analyze verify:\n%s", filepath.Base(path), said)
		}
	}
}

func TestTheServicesAreLockedUp(t *testing.T) {
	for _, service := range glob(t, "*.service") {
		said, err := analyze(t, "security", "--no-pager", "--offline=true", "--threshold=20", service)
		if err != nil {
			t.Errorf("%s is exposed more than 2.0: %v\n%s", service, err, said)
		}
		lines := strings.Split(strings.TrimSpace(said), "\n")
		t.Log(lines[len(lines)-1])
	}
	open := filepath.Join(t.TempDir(), "open.service")
	write(t, open, "[Service]\nExecStart=/bin/true\n")
	if said, err := analyze(t, "security", "--no-pager", "--offline=true", "--threshold=20", open); err == nil {
		t.Errorf("a service without any sandbox passed: this test shows nothing\n%s", said)
	}
}

// TestTheUnitsSayWhatTheGuidePromises holds what only a machine with systemd
// would show otherwise.
func TestTheUnitsSayWhatTheGuidePromises(t *testing.T) {
	for unit, want := range map[string][]string{
		"restaple.service": {
			"Before=nginx.service haproxy.service", "Type=notify", "NotifyAccess=main", "WatchdogSec=2min", "Restart=always",
			"StartLimitIntervalSec=0", "User=restaple", "StateDirectory=restaple restaple/staples", "WantedBy=multi-user.target",
			"ExecReload=/bin/kill -HUP $MAINPID",
		},
		"restaple-refresh.service": {"Type=oneshot", "User=restaple", "StateDirectory=restaple restaple/staples"},
		"restaple-refresh.timer":   {"OnCalendar=*:0/15", "Persistent=yes", "WantedBy=timers.target"},
	} {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for _, line := range want {
			if !slices.Contains(lines, line) {
				t.Errorf("%s lacks %q", unit, line)
			}
		}
		if unit == "restaple-refresh.service" && strings.Contains(string(text), "\nBefore=") {
			t.Errorf("%s is ordered before something: a hook that reloads it would wait for ever", unit)
		}
	}
}

// TestBothServicesHaveTheSameSandbox also says that both run as the same user
// on the same state, which is what lets one take over from the other.
func TestBothServicesHaveTheSameSandbox(t *testing.T) {
	own := []string{ // of the daemon
		"Type", "NotifyAccess", "ExecStart", "ExecReload", "TimeoutStartSec", "TimeoutStopSec",
		"Restart", "RestartSec", "WatchdogSec", "RuntimeDirectory",
	}
	settings := func(unit string) map[string][]string {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(string(text), "[Service]\n")
		section, _, _ = strings.Cut(section, "\n[")
		out := make(map[string][]string)
		for line := range strings.Lines(section) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if ok && !strings.HasPrefix(key, "#") && !slices.Contains(own, key) {
				out[key] = append(out[key], value)
			}
		}
		return out
	}
	daemon, refresh := settings("restaple.service"), settings("restaple-refresh.service")
	if len(daemon) < 20 {
		t.Fatalf("got only %d settings", len(daemon))
	}
	for key, want := range daemon {
		if got := refresh[key]; !slices.Equal(got, want) {
			t.Errorf("%s: got %q in restaple-refresh.service, want %q as in restaple.service", key, got, want)
		}
	}
	for key := range refresh {
		if daemon[key] == nil {
			t.Errorf("%s is in restaple-refresh.service only", key)
		}
	}
}

func TestTheReadmeNamesEveryExample(t *testing.T) {
	readme, err := os.ReadFile(dropIns + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dropIns, func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".md") || strings.HasSuffix(name, ".go") {
			return err
		}
		named := strings.Contains(string(readme), name) ||
			strings.Contains(string(readme), strings.TrimSuffix(name, filepath.Ext(name))) && strings.Contains(string(readme), "`"+filepath.Ext(name)+"`")
		if !named {
			t.Errorf("README.md does not name %s", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
