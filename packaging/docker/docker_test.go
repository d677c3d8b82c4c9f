// Package docker tests the container image. No container engine is needed: the
// few instructions of the Dockerfile are followed here.
package docker

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/restaple/restaple/packaging/internal/machine"
)

const root = "../.."

// image is what a Dockerfile makes.
type image struct {
	dir                     string // its root
	user                    string
	env                     []string
	volume                  string
	health, entry, argument []string
}

// TestTheImageKeepsStaplesFresh builds the image's root by the steps of the
// Dockerfile, and runs it as its user, with its root read-only.
func TestTheImageKeepsStaplesFresh(t *testing.T) {
	machine.Require(t, "docker-steps")
	i := build(t)
	if i.user != "65532:65532" || i.volume != "/var/lib/restaple" || len(i.health) == 0 {
		t.Fatalf("got %+v", i)
	}
	command := strings.Join(append(i.entry, i.argument...), " ")
	health := strings.Join(i.health, " ")
	env := strings.Join(i.env, " ")
	m := machine.Machine{Files: map[string]string{"image": i.dir}}
	m.Run(t, `
image=/payload/image
lab=$image/usr/bin/restaple # on the machine, not in the container
file $lab | grep 'statically linked'
$lab version | grep '^restaple 1\.2\.3 '
[ "$(find $image -type f | sort | sed "s#$image##" | tr '\n' ' ')" = "/LICENSE /THIRD_PARTY_LICENSES /etc/group /etc/passwd /etc/ssl/certs/ca-certificates.crt /usr/bin/restaple " ]
[ "$(stat -c %u:%g $image/var/lib/restaple)" = 65532:65532 ]
openssl storeutl -noout -certs $image/etc/ssl/certs/ca-certificates.crt | grep 'Total found: [1-9]'

mkdir /tls
$lab lab init /lab
$lab lab issue /lab site.test --out /tls/site.pem
$lab lab serve /lab &
mkdir /staples
chown 65532:65532 /staples
cat >/restaple.yaml <<'END'
allow: [127.0.0.0/8]
certificates:
  - paths: [/tls]
    staple: "/staples/{base}.ocsp"
END

# The volumes, and a root that nobody can write.
mkdir $image/tls $image/staples
touch $image/etc/restaple/restaple.yaml
mount --bind $image $image
mount -t tmpfs -o uid=65532,gid=65532,mode=755 tmpfs $image`+i.volume+`
mount --bind /tls $image/tls
mount -o remount,bind,ro $image/tls
mount --bind /staples $image/staples
mount --bind /restaple.yaml $image/etc/restaple/restaple.yaml
mount -o remount,bind,ro $image
not touch $image/etc/x
in_it=(env -i `+env+` /usr/sbin/chroot --userspec=`+i.user+` $image)

code=0; "${in_it[@]}" `+health+` || code=$?
[ $code = 1 ] # nothing there yet
"${in_it[@]}" `+command+` &
pid=$!
for n in $(seq 100); do "${in_it[@]}" `+health+` && break; sleep 0.1; done
"${in_it[@]}" `+health+`
[ "$(stat -c %u:%a /staples/site.pem.ocsp)" = 65532:644 ]
[ "$(awk '/^Uid:/ {print $2, $3, $4, $5}' /proc/$pid/status)" = "65532 65532 65532 65532" ]
[ "$(awk '/^CapEff:/ {print $2}' /proc/$pid/status)" = 0000000000000000 ]
kill -TERM $pid
wait $pid
kill %1
`)
}

// build follows the Dockerfile. An instruction that it does not know fails the
// test.
func build(t *testing.T) *image {
	t.Helper()
	work := t.TempDir()
	src, out := filepath.Join(work, "src"), filepath.Join(work, "out")
	final := &image{dir: filepath.Join(work, "image")}
	for _, d := range []string{src, out, final.dir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// What docker build is told, and itself knows: only what ARG names gets in.
	given := map[string]string{"TARGETOS": "linux", "TARGETARCH": runtime.GOARCH, "VERSION": "1.2.3"}
	env := os.Environ()
	last := false // stage
	for _, line := range instructions(t) {
		name, rest, _ := strings.Cut(line, " ")
		switch words := strings.Fields(rest); {
		case name == "FROM" && rest == "--platform=$BUILDPLATFORM golang:"+goVersion(t)+" AS build":
		case name == "FROM" && rest == "scratch":
			last = true
		case name == "ARG":
			arg, value, _ := strings.Cut(rest, "=")
			if given[arg] != "" {
				value = given[arg]
			}
			env = append(env, arg+"="+value)
		case name == "WORKDIR" && rest == "/src":
		case name == "COPY" && !last && rest == "go.mod go.sum ./":
		case name == "COPY" && !last && rest == ". .":
			copyContext(t, src)
		case name == "RUN" && !last && rest == "go mod download": // they are there, or a build gets them
		case name == "RUN" && !last:
			cmd := exec.Command("sh", "-ec", strings.ReplaceAll(rest, "/out", out))
			cmd.Dir, cmd.Env = src, env
			if said, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("RUN %s: %v\n%s", rest, err, said)
			}
		case name == "COPY" && last && words[0] == "--from=build":
			words = words[1:]
			owner := "0:0"
			if after, ok := strings.CutPrefix(words[0], "--chown="); ok {
				owner, words = after, words[1:]
			}
			copyTree(t, strings.Replace(words[0], "/out", out, 1), filepath.Join(final.dir, words[1]), owner)
		case name == "ENV":
			final.env = append(final.env, rest)
		case name == "USER":
			final.user = rest
		case name == "VOLUME":
			final.volume = rest
		case name == "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			final.health = list(t, command)
		case name == "ENTRYPOINT":
			final.entry = list(t, rest)
		case name == "CMD":
			final.argument = list(t, rest)
		default:
			t.Fatalf("this test does not know %q", line)
		}
	}
	return final
}

// goVersion is the one that go.mod wants, as images are named.
func goVersion(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(text)
	if m == nil {
		t.Fatal("go.mod wants no version of Go")
	}
	return string(m[1])
}

// instructions returns the lines of the Dockerfile, with continued ones joined.
func instructions(t *testing.T) []string {
	t.Helper()
	f, err := os.Open("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	continued := false
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		text, more := strings.CutSuffix(line, `\`)
		if continued {
			out[len(out)-1] += text
		} else {
			out = append(out, text)
		}
		continued = more
	}
	return out
}

func list(t *testing.T, s string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &words); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return words
}

// copyContext copies the files of the repository, but those that .dockerignore
// names.
func copyContext(t *testing.T, dir string) {
	t.Helper()
	ignored, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	files, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(files)) {
		path = strings.TrimSpace(path)
		if isIgnored(t, path, string(ignored)) {
			continue
		}
		to := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func isIgnored(t *testing.T, path, patterns string) bool {
	t.Helper()
	for p := range strings.Lines(patterns) {
		p = strings.TrimSpace(p)
		if p == "" || strings.HasPrefix(p, "#") {
			continue
		}
		// What is below an ignored directory is ignored.
		for part := path; part != "."; part = filepath.Dir(part) {
			match, err := doublestar.Match(p, part)
			if err != nil {
				t.Fatal(err)
			}
			if match {
				return true
			}
		}
	}
	return false
}

func copyTree(t *testing.T, from, to, owner string) {
	t.Helper()
	uid, gid, _ := strings.Cut(owner, ":")
	for _, id := range []string{uid, gid} {
		if _, err := strconv.Atoi(id); err != nil {
			t.Fatalf("owner %s: the image has no names", owner)
		}
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"cp", "-R", from + "/.", to}, {"chown", "-R", owner, to}} {
		if said, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, said)
		}
	}
}
