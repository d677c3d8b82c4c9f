package stage

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/schedule"
)

// Name is the site whose certificate all examples are about.
const Name = "www.example.com"

// Certificate is a certificate of the server: its key type, and its files as
// they are called on a real machine. With an empty Key, the key is in the
// chain's file.
type Certificate struct {
	Type       lab.KeyType
	Chain, Key string
	Owner      string // who reads the key, if it is not root

	// Staple returns where on the stage its staple belongs. Nil: beside it.
	Staple func(s *Stage) string
}

// Path returns where a file of a real machine is on the stage.
func (s *Stage) Path(path string) string { return filepath.Join(s.Root, path) }

// ownPaths finds the paths in a configuration file that are of the machine and
// not of its software.
var ownPaths = regexp.MustCompile(`(^|[\s"'=:;,(\[{<])(/(?:etc|run|var|srv)/)`)

// Install puts a file of the example in its place, with its paths moved onto
// the stage. What else has to be different is said by pairs of an old and a
// new text; each old one has to be there.
func (s *Stage) Install(file, path string, pairs ...string) {
	s.T.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		s.T.Fatal(err)
	}
	s.install(file, string(data), path, pairs)
}

// InstallRestaple puts the example's configuration of restaple in its place.
// It is allowed to refresh each second, not only each minute.
func (s *Stage) InstallRestaple(pairs ...string) {
	s.T.Helper()
	const file = "restaple.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		s.T.Fatal(err)
	}
	s.WriteRestaple(string(data), pairs...)
}

// WriteRestaple puts another configuration of restaple in its place.
func (s *Stage) WriteRestaple(text string, pairs ...string) {
	s.T.Helper()
	s.install("restaple.yaml", "schedule: '@every 1s'\n"+text, configPath, pairs)
}

func (s *Stage) install(file, text, path string, pairs []string) {
	s.T.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			s.T.Fatalf("%s: got no %q in it", file, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	if len(s.mounts) == 0 {
		text = ownPaths.ReplaceAllString(text, "${1}"+s.Root+"${2}")
	}
	s.Write(path, []byte(text), 0o644)
}

// Write replaces a file of the stage at one go. The path is that of a real
// machine.
func (s *Stage) Write(path string, data []byte, mode os.FileMode) {
	s.T.Helper()
	path = s.Path(path)
	s.Dir(filepath.Dir(path))
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(temp, data, mode); err != nil {
		s.T.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		s.T.Fatal(err)
	}
}

// Dir makes a directory of the stage that everybody may enter.
func (s *Stage) Dir(path string) string {
	s.T.Helper()
	if !strings.HasPrefix(path, s.Root) {
		path = s.Path(path)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		s.T.Fatal(err)
	}
	return path
}

// Give makes a file or directory of the stage that of a user.
func (s *Stage) Give(path, name string) {
	s.T.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		s.T.Fatal(err)
	}
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if err := cmp.Or(uidErr, gidErr, os.Chown(s.Path(path), uid, gid)); err != nil {
		s.T.Fatal(err)
	}
}

// issue issues a certificate for the site. It is one that restaple refreshes
// within three seconds of the middle of any window w: when exactly is a
// function of the certificate, and for a long window it would take minutes.
func (s *Stage) issue(keyType lab.KeyType, w Window, silent bool) *lab.Issued {
	s.T.Helper()
	host, err := os.Hostname()
	if err != nil {
		s.T.Fatal(err)
	}
	key, err := lab.NewKey(keyType)
	if err != nil {
		s.T.Fatal(err)
	}
	o := lab.IssueOptions{Names: []string{Name}, Key: key}
	if silent {
		o.Responders = []string{}
	}
	for {
		issued, err := s.PKI.Intermediate.Issue(o)
		if err != nil {
			s.T.Fatal(err)
		}
		this := time.Now()
		middle := this.Add(w.Validity / 2)
		due := schedule.RefreshAt(this, this.Add(w.Validity), schedule.Key(fingerprint(issued.Certificate), host))
		if middle.Sub(due) <= 3*time.Second {
			return issued
		}
	}
}

// Put puts a certificate in its place as careful tools do: the key first,
// since servers and restaple look when the certificate changes.
func (s *Stage) Put(c Certificate, issued *lab.Issued) {
	s.T.Helper()
	if c.Key == "" {
		bundle, err := issued.BundlePEM()
		if err != nil {
			s.T.Fatal(err)
		}
		s.Write(c.Chain, bundle, 0o600)
		return
	}
	key, err := issued.KeyPEM()
	if err != nil {
		s.T.Fatal(err)
	}
	s.Write(c.Key, key, 0o600)
	if c.Owner != "" {
		s.Give(c.Key, c.Owner)
	}
	s.Write(c.Chain, issued.ChainPEM(), 0o644)
}
