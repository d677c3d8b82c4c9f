package stage

import (
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Machine has all processes see these directories of the stage at the paths
// that they have on a real machine: what is built into servers, and what
// restaple does unless it is told otherwise, is tried as it is. Everything else
// is the machine's own. It comes before Install, which then moves no paths.
func (s *Stage) Machine(dirs ...string) {
	s.T.Helper()
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		required := strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ",")
		if slices.ContainsFunc(s.programs, func(p string) bool { return slices.Contains(required, p) }) {
			s.T.Fatalf("no mount namespace for what RESTAPLE_TEST_REQUIRE names: %v: %s", err, out)
		}
		s.T.Skipf("no mount namespace, that takes root: %v: %s", err, out)
	}
	for _, dir := range dirs {
		s.Dir(dir)
	}
	s.mounts = dirs
}

// Seen is the path by which processes on the stage see a file of a real machine.
func (s *Stage) Seen(path string) string {
	if len(s.mounts) > 0 {
		return path
	}
	return s.Path(path)
}

// mounting mounts pairs of directories, and becomes what follows them.
const mounting = `while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit; shift 2; done; shift; exec "$@"`

// command is a command as it is run on the stage. Its process is the program's.
func (s *Stage) command(program string, args []string) []string {
	own := append([]string{program}, args...)
	if len(s.mounts) == 0 {
		return own
	}
	c := []string{"unshare", "--mount", "sh", "-c", mounting, "sh"}
	for _, dir := range s.mounts {
		c = append(c, s.Path(dir), dir)
	}
	return slices.Concat(c, []string{"--"}, own)
}
