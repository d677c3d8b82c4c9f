package stage

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// dirVariable names the directory in which the restaple under test is built.
const dirVariable = "RESTAPLE_TEST_DIR"

// atOnce is how many tests run at a time. They mostly wait for something to
// fall due, so it has nothing to do with how many processors there are.
const atOnce = "8"

// Main is what TestMain of an example calls: it runs the tests, and takes away
// what they have built.
func Main(m *testing.M) {
	flag.Parse()
	os.Exit(main(m))
}

func main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "restaple-stage-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Setenv(dirVariable, dir)
	}
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if err == nil && !chosen {
		err = flag.Set("test.parallel", atOnce)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds the restaple under test, once.
var build = sync.OnceValues(func() (string, error) {
	dir := os.Getenv(dirVariable)
	if dir == "" {
		return "", fmt.Errorf("%s is not set: TestMain has to call stage.Main", dirVariable)
	}
	out := filepath.Join(dir, "restaple")
	args := []string{"build", "-o", out}
	if withRace {
		args = append(args, "-race")
	}
	args = append(args, "github.com/restaple/restaple/cmd/restaple")
	if said, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build restaple: %w\n%s", err, said)
	}
	return out, nil
})

// need skips the test if a program is not installed, and fails it if
// RESTAPLE_TEST_REQUIRE says that it has to be there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), p) {
			t.Fatalf("%s is not installed, and RESTAPLE_TEST_REQUIRE names it", p)
		}
		t.Skipf("%s is not installed", p)
	}
}
