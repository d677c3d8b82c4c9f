// Package machine gives tests a machine of their own: this one's root file
// system under an overlay in memory, in namespaces of its own, with systemd as
// its first process if the test wants it. Nothing that is done there is seen
// outside.
package machine

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

//go:embed machine.sh
var setUp string

// limit is how long a script may take.
const limit = 8 * time.Minute

// Require skips the test unless RESTAPLE_TEST_REQUIRE names what it needs: a
// test that takes long, or needs more of a machine than others.
func Require(t *testing.T, name string) {
	t.Helper()
	if !slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), name) {
		t.Skipf("runs where RESTAPLE_TEST_REQUIRE names %s", name)
	}
}

// Machine is a machine for one script.
type Machine struct {
	// Files are put into /payload of the machine, by name.
	Files map[string]string

	Systemd bool
}

// begin is what scripts begin with. A command that has to fail is said with
// not: errexit does not see one that "!" inverts.
const begin = `#!/bin/bash
set -euxo pipefail
not() { if "$@"; then return 1; fi; }
`

// Run runs a shell script as root of the machine, and returns what it says.
// The test fails if the script does.
func (m Machine) Run(t *testing.T, script string) string {
	t.Helper()
	if line := regexp.MustCompile(`(?m)^! .*`).FindString(script); line != "" {
		t.Fatalf("%s: nobody would see it succeed: say not", line)
	}
	if os.Geteuid() != 0 {
		t.Fatal("a machine of its own needs root")
	}
	dir := t.TempDir()
	payload := filepath.Join(dir, "payload")
	for _, d := range []string{payload, filepath.Join(dir, "out")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, from := range m.Files {
		if said, err := exec.Command("cp", "-a", from, filepath.Join(payload, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("payload/script", begin+script+"\ntrap - EXIT\necho ended well\n")
	write("machine.sh", setUp)
	kind := "plain"
	if m.Systemd {
		kind = "systemd"
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(dir, "machine.sh"), dir, kind)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	err := cmd.Run()
	said, _ := os.ReadFile(filepath.Join(dir, "out", "log")) // none if it never came so far
	if !strings.HasSuffix(strings.TrimSpace(string(said)), "ended well") {
		t.Fatalf("the script failed: %v\n%s\nthe machine said:\n%s", err, said, console.Bytes())
	}
	return string(said)
}
