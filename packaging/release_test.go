// Package packaging tests what is released: the packages, and the services in
// them on a machine with systemd.
package packaging

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/restaple/restaple/packaging/internal/machine"
)

// releases builds versions once, for all tests.
type releases struct {
	dir  string
	once map[string]*sync.Once
}

var built = releases{once: map[string]*sync.Once{"1.2.3": {}, "1.3.0": {}}}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "restaple-release-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	built.dir = dir
	return m.Run()
}

// release returns a directory with the files of a release.
func release(t *testing.T, version string) string {
	t.Helper()
	machine.Require(t, "nfpm")
	dir := filepath.Join(built.dir, version)
	built.once[version].Do(func() { build(t, version, dir) })
	return dir
}

func build(t *testing.T, version, dir string) {
	t.Helper()
	cmd := exec.Command("./build.sh", "v"+version, dir)
	cmd.Env = append(os.Environ(), packager()...)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, said)
	}
}

// packager is what tells build.sh of an nfpm that is built already.
func packager() []string {
	if dir := os.Getenv("RESTAPLE_TEST_TOOLS"); dir != "" {
		return []string{"NFPM=" + filepath.Join(dir, "nfpm")}
	}
	return nil
}

func file(t *testing.T, version, ext string) string {
	t.Helper()
	path := filepath.Join(release(t, version), "restaple_"+version+"_linux_"+runtime.GOARCH+ext)
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// unpack returns the directory of an unpacked release archive.
func unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	archive := file(t, "1.2.3", ".tar.gz")
	if said, err := exec.Command("tar", "-xf", archive, "-C", dir, "--strip-components=1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return dir
}

// TestTheSameSourceGivesTheSameBytes builds a copy of the source, and a copy of
// that at another place, in another time zone, with another umask, and with
// nothing that was compiled before.
func TestTheSameSourceGivesTheSameBytes(t *testing.T) {
	machine.Require(t, "nfpm")
	t.Parallel() // it takes as long as the machines
	dir := t.TempDir()
	shell := func(script string, env ...string) {
		t.Helper()
		cmd := exec.Command("bash", "-ec", script)
		cmd.Dir, cmd.Env = dir, append(append(os.Environ(), packager()...), env...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, said)
		}
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	shell(`cp -r "$ROOT" source && source/packaging/build.sh v1.2.3 first`, "ROOT="+root)
	shell(`mkdir elsewhere && cp -r source elsewhere/restaple && chmod -R go= elsewhere && rm -r source
		umask 077 && elsewhere/restaple/packaging/build.sh 1.2.3 second`, "TZ=Pacific/Auckland", "LC_ALL=C.UTF-8", "GOCACHE="+filepath.Join(dir, "cache"))
	names, err := filepath.Glob(filepath.Join(dir, "first", "*"))
	if err != nil || len(names) != 5 {
		t.Fatalf("got %v, %v, want four files and their checksums", names, err)
	}
	for _, path := range names {
		a, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "second", filepath.Base(path)))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(a, b) {
			t.Errorf("%s is not the same twice", filepath.Base(path))
		}
	}
}

func TestTheProgramIsStaticAndKnowsItsVersion(t *testing.T) {
	program := filepath.Join(unpack(t), "restaple")
	said, err := exec.Command(program, "version").Output()
	if err != nil || !strings.HasPrefix(string(said), "restaple 1.2.3 ") {
		t.Errorf("restaple version: got %q, %v", said, err)
	}
	headers, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer headers.Close()
	for _, p := range headers.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program wants a dynamic linker: it has %v", p.Type)
		}
	}
}

func TestTheChecksumsAreRight(t *testing.T) {
	cmd := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	cmd.Dir = release(t, "1.2.3")
	if said, err := cmd.CombinedOutput(); err != nil || strings.Count(string(said), ": OK") != 4 {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestReleasedDocumentsFindWhatTheyName reads them where the packages and the
// archive have them.
func TestReleasedDocumentsFindWhatTheyName(t *testing.T) {
	doc := filepath.Join(unpack(t), "doc")
	for _, name := range []string{"README.md", "SECURITY.md", "packaging/OPERATIONS.md", "examples/kubernetes/README.md"} {
		followLinks(t, filepath.Join(doc, name))
	}
	guide, err := os.ReadFile(filepath.Join(doc, "packaging", "OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	ofTheSource := []string{"packaging/build.sh", "packaging/docker/Dockerfile"} // which need the rest of it
	names := regexp.MustCompile("`((?:examples|packaging)/[^` ]*)").FindAllStringSubmatch(string(guide), -1)
	if len(names) < 5 {
		t.Fatalf("the guide names only %q", names)
	}
	for _, n := range names {
		if slices.Contains(ofTheSource, n[1]) {
			continue
		}
		if _, err := os.Stat(filepath.Join(doc, n[1])); err != nil {
			t.Errorf("OPERATIONS.md: %v", err)
		}
	}
}

// TestTheBillOfMaterialsFitsCycloneDX holds it against CycloneDX's own schema,
// and one that is wrong, too.
func TestTheBillOfMaterialsFitsCycloneDX(t *testing.T) {
	machine.Require(t, "billcheck")
	bill := file(t, "1.2.3", ".cdx.json")
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/CycloneDX/cyclonedx-go")
	cmd.Dir = "tools"
	said, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var library struct{ Dir string }
	if err := json.Unmarshal(said, &library); err != nil {
		t.Fatal(err)
	}
	schemas := filepath.Join(library.Dir, "schema")
	if said, err := machine.Tool(t, "billcheck", schemas, bill).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	right, err := os.ReadFile(bill)
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.cdx.json")
	if err := os.WriteFile(wrong, bytes.ReplaceAll(right, []byte("SHA-256"), []byte("SHA256")), 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := machine.Tool(t, "billcheck", schemas, wrong).CombinedOutput(); err == nil || !bytes.Contains(said, []byte("hashes.0.alg")) {
		t.Errorf("a hash of an unknown kind: got %v, %s", err, said)
	}
}

func TestTheBillOfMaterialsListsEveryModule(t *testing.T) {
	dir := unpack(t)
	program := filepath.Join(dir, "restaple")
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file(t, "1.2.3", ".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Metadata struct {
			Component struct {
				Version string
				Hashes  []struct{ Content string }
			}
		}
		Components []struct {
			Name, Version string
			Licenses      []struct{ License struct{ ID string } }
		}
	}
	if err := json.Unmarshal(b, &bill); err != nil {
		t.Fatal(err)
	}
	exe, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(exe)
	main := bill.Metadata.Component
	if main.Version != "1.2.3" || len(main.Hashes) != 1 || main.Hashes[0].Content != hex.EncodeToString(sum[:]) {
		t.Errorf("got %+v, want version 1.2.3 and the hash %x", main, sum)
	}
	got := make(map[string]string)
	for _, c := range bill.Components {
		got[c.Name] = c.Version
		if len(c.Licenses) == 0 || c.Licenses[0].License.ID == "" {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	if want := strings.TrimPrefix(info.GoVersion, "go"); got["std"] != want {
		t.Errorf("std: got %q, want %q", got["std"], want)
	}
	licenses, err := os.ReadFile(filepath.Join(dir, "doc", "THIRD_PARTY_LICENSES"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		if got[m.Path] != m.Version {
			t.Errorf("%s: got %q, want %q", m.Path, got[m.Path], m.Version)
		}
		if !strings.Contains(string(licenses), m.Path+" "+m.Version+": ") {
			t.Errorf("no licence of %s", m.Path)
		}
	}
	if len(got) != len(info.Deps)+1 {
		t.Errorf("got %d parts, want %d modules and Go's library", len(got), len(info.Deps))
	}
}
