package desk

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Build builds restaple, for tests that start several with arguments of their
// own, and returns its path.
func Build(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "restaple")
	if said, err := exec.Command("go", "build", "-o", out, "github.com/restaple/restaple/cmd/restaple").CombinedOutput(); err != nil {
		t.Fatalf("build restaple: %v\n%s", err, said)
	}
	return out
}
