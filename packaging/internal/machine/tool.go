package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Tool returns a command of a program that packaging/tools pins: from the
// directory that RESTAPLE_TEST_TOOLS names, or else built first, which takes
// minutes once. The test skips unless RESTAPLE_TEST_REQUIRE names the program.
func Tool(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	Require(t, name)
	if dir := os.Getenv("RESTAPLE_TEST_TOOLS"); dir != "" {
		return exec.Command(filepath.Join(dir, name), args...)
	}
	own, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	pins := filepath.Join(filepath.Dir(strings.TrimSpace(string(own))), "packaging", "tools", "go.mod")
	return exec.Command("go", append([]string{"tool", "-modfile=" + pins, name}, args...)...)
}
