package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/lab"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scene is a CA with its responder and a directory with one certificate.
type scene struct {
	t         *testing.T
	dir       string
	state     string
	responder *lab.Responder
	issued    *lab.Issued
	pki       *lab.PKI
	cert      string
}

func newScene(t *testing.T) *scene {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, dir: t.TempDir(), state: t.TempDir()}
	if s.pki, err = lab.NewPKI(lab.PKIOptions{Responders: []string{"http://" + l.Addr().String() + "/"}}); err != nil {
		t.Fatal(err)
	}
	if s.responder, err = lab.NewResponder(lab.ResponderOptions{CA: s.pki.Intermediate, Backdate: time.Minute}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- lab.Serve(ctx, l, s.responder) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if s.issued, err = s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"site.test"}}); err != nil {
		t.Fatal(err)
	}
	s.cert = filepath.Join(s.dir, "site.pem")
	s.write(s.cert, s.issued.ChainPEM())
	return s
}

func (s *scene) write(path string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// command runs a command line with the scene's state directory and loopback
// allowed.
func (s *scene) command(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	full := append([]string{args[0], "--state-dir", s.state, "--allow", "127.0.0.0/8"}, args[1:]...)
	return command(s.t, full...)
}

func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestRefreshPlacesAndSaysSo(t *testing.T) {
	s := newScene(t)
	code, out, errs := s.command("refresh", s.dir)
	if code != exitOK || out != "1 certificate: 1 fresh\n" {
		t.Errorf("exit %d, %q, %s", code, out, errs)
	}
	code, out, _ = s.command("status", s.dir)
	if code != exitOK || !strings.Contains(out, "site.test") || !strings.Contains(out, "fresh") {
		t.Errorf("status: exit %d\n%s", code, out)
	}
	code, out, errs = command(t, "verify", "--cert", s.cert, "--response", s.cert+".ocsp")
	if code != exitOK || !strings.HasPrefix(out, "good: ") {
		t.Errorf("verify: exit %d, %s%s", code, out, errs)
	}
}

func TestFailureIsSaidWithAdviceAndKeptForStatus(t *testing.T) {
	s := newScene(t)
	if err := s.responder.SetFault("html"); err != nil {
		t.Fatal(err)
	}
	code, out, _ := s.command("refresh", s.dir)
	if code != exitNotOK || !strings.Contains(out, s.cert+": missing") || !strings.Contains(out, "hint: ") {
		t.Errorf("exit %d\n%s", code, out)
	}
	code, out, _ = s.command("status", "-o", "json", s.dir)
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if code != exitNotOK || r.OK || len(r.Certificates) != 1 || r.Certificates[0].Reason != "malformed" {
		t.Errorf("exit %d, %+v", code, r)
	}
}

func TestExitCodes(t *testing.T) {
	for _, row := range []struct {
		name  string
		setup func(*scene) []string
		want  int
		say   string // in either output
	}{
		{name: "revoked", want: exitNotOK, say: "revoked", setup: func(s *scene) []string {
			if err := s.responder.Revoke(s.issued.Certificate.SerialNumber, "superseded", time.Now()); err != nil {
				s.t.Fatal(err)
			}
			return []string{"refresh", s.dir}
		}},
		{name: "unknown", want: exitNotOK, say: "unknown", setup: func(s *scene) []string {
			s.responder.Forget(s.issued.Certificate.SerialNumber)
			return []string{"refresh", s.dir}
		}},
		{name: "no responder in the certificate", want: exitOK, say: "nothing to do", setup: func(s *scene) []string {
			s.reissue(lab.IssueOptions{Responders: []string{}})
			return []string{"refresh", s.dir}
		}},
		{name: "must-staple without a responder", want: exitNotOK, say: "must-staple", setup: func(s *scene) []string {
			s.reissue(lab.IssueOptions{Responders: []string{}, MustStaple: true})
			return []string{"refresh", s.dir}
		}},
		{name: "expired certificate", want: exitOK, say: "leaf-expired", setup: func(s *scene) []string {
			s.reissue(lab.IssueOptions{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
			return []string{"refresh", s.dir}
		}},
		{name: "no issuer", want: exitNotOK, say: ".issuer", setup: func(s *scene) []string {
			s.write(s.cert, s.issued.CertPEM())
			return []string{"refresh", s.dir}
		}},
		{name: "missing path", want: exitNotOK, say: "/nowhere", setup: func(*scene) []string { return []string{"refresh", "/nowhere/site.pem"} }},
		{name: "empty directory", want: exitOK, say: "0 certificates\n    hint: there is no certificate", setup: func(s *scene) []string { return []string{"refresh", s.t.TempDir()} }},
		{name: "a file without a certificate", want: exitNotOK, say: "no end-entity certificate", setup: func(s *scene) []string {
			key, err := s.issued.KeyPEM()
			if err != nil {
				s.t.Fatal(err)
			}
			s.write(s.dir+"/site.key", key)
			return []string{"refresh", s.dir + "/site.key"}
		}},
		{name: "failing hook", want: exitNotOK, say: "exit status 3", setup: func(s *scene) []string {
			return []string{"refresh", "--hook", "sh -c 'exit 3'", s.dir}
		}},
		{name: "unknown flag", want: exitUsage, say: "--nonsense", setup: func(s *scene) []string { return []string{"refresh", "--nonsense"} }},
		{name: "unknown server", want: exitUsage, say: "nginx", setup: func(s *scene) []string { return []string{"refresh", "--server", "iis", s.dir} }},
		{name: "bad responder", want: exitUsage, say: "http://", setup: func(s *scene) []string { return []string{"refresh", "--responder", "ldap://x", s.dir} }},
		{name: "template that would replace the certificate", want: exitUsage, say: "--staple", setup: func(s *scene) []string { return []string{"refresh", "--staple", "{path}", s.dir} }},
		{name: "missing config", want: exitUsage, say: "/nowhere.yaml", setup: func(s *scene) []string { return []string{"refresh", "--config", "/nowhere.yaml"} }},
		{name: "config with mistakes", want: exitUsage, say: "bad.yaml:2", setup: func(s *scene) []string {
			s.write(s.state+"/bad.yaml", []byte("certificates:\n  - pahts: [x]\n"))
			return []string{"refresh", "--config", s.state + "/bad.yaml"}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			code, out, errs := s.command(row.setup(s)...)
			if code != row.want || !strings.Contains(out+errs, row.say) {
				t.Errorf("exit %d, want %d and %q in\n%s%s", code, row.want, row.say, out, errs)
			}
		})
	}
}

// reissue puts another certificate into the place of the scene's.
func (s *scene) reissue(o lab.IssueOptions) {
	s.t.Helper()
	o.Names = []string{"site.test"}
	issued, err := s.pki.Intermediate.Issue(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(s.cert, issued.ChainPEM())
}

func TestPathsChooseAmongTheConfiguration(t *testing.T) {
	s := newScene(t)
	other := t.TempDir()
	s.write(filepath.Join(other, "other.pem"), s.issued.ChainPEM())
	s.write(s.state+"/restaple.yaml", fmt.Appendf(nil, "certificates:\n  - paths: [%s, %s]\n", s.dir, other))
	code, out, errs := s.command("refresh", "--config", s.state+"/restaple.yaml", other)
	if code != exitOK || out != "1 certificate: 1 fresh\n" {
		t.Errorf("exit %d, %q %s", code, out, errs)
	}
	if _, err := os.Stat(s.cert + ".ocsp"); !os.IsNotExist(err) {
		t.Errorf("a certificate that was not chosen got a staple: %v", err)
	}
	if code, _, errs := s.command("refresh", "--config", s.state+"/restaple.yaml", t.TempDir()); code != exitNotOK || !strings.Contains(errs, "no certificate of the configuration") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestPathsOfTheUsualConfigurationGoByIt(t *testing.T) {
	s := newScene(t)
	file, broken, empty := s.state+"/full.yaml", s.state+"/broken.yaml", s.state+"/empty.yaml"
	s.write(file, fmt.Appendf(nil, "certificates:\n  - paths: [%s/*.pem]\n", s.dir))
	s.write(broken, []byte("certificates: [\n"))
	s.write(empty, []byte("certificates: []\n"))
	elsewhere := t.TempDir()
	s.write(elsewhere+"/other.pem", s.issued.ChainPEM())
	for _, row := range []struct {
		name  string
		flags workFlags
		paths []string
		file  string
		want  string
		fails bool
	}{
		{name: "a certificate", paths: []string{s.cert}, file: file, want: file},
		{name: "the directory", paths: []string{s.dir}, file: file, want: file},
		{name: "a directory above", paths: []string{filepath.Dir(s.dir)}, file: file, want: file},
		{name: "another directory", paths: []string{elsewhere}, file: file},
		{name: "one of each", paths: []string{s.cert, elsewhere}, file: file},
		{name: "a certificate and its server", flags: workFlags{server: "nginx"}, paths: []string{s.cert}, file: file},
		{name: "a certificate and a hook", flags: workFlags{hooks: []string{"true"}}, paths: []string{s.cert}, file: file},
		{name: "a certificate and a responder", flags: workFlags{responder: "http://ocsp.test/"}, paths: []string{s.cert}, file: file},
		{name: "a certificate and a template", flags: workFlags{staple: "{path}.der"}, paths: []string{s.cert}, file: file},
		{name: "a certificate and issuers", flags: workFlags{issuers: []string{s.dir}}, paths: []string{s.cert}, file: file},
		{name: "all below", flags: workFlags{recursive: true}, paths: []string{s.dir}, file: file},
		{name: "a configuration without certificates", paths: []string{s.cert}, file: empty},
		{name: "no configuration", paths: []string{s.cert}, file: s.state + "/none.yaml"},
		{name: "a broken configuration", paths: []string{s.cert}, file: broken, fails: true},
	} {
		got, err := row.flags.usual(row.file, row.paths)
		if got != row.want || (err != nil) != row.fails {
			t.Errorf("%s: got %q, %v; want %q", row.name, got, err, row.want)
		}
	}
}

func TestOverrideIsTrustedWithoutAllow(t *testing.T) {
	s := newScene(t)
	url := s.issued.Certificate.OCSPServer[0]
	s.reissue(lab.IssueOptions{Responders: []string{}})
	code, out, errs := command(t, "refresh", "--state-dir", s.state, "--responder", url, s.dir)
	if code != exitOK || out != "1 certificate: 1 fresh\n" {
		t.Errorf("exit %d, %q, %s", code, out, errs)
	}
}

func TestWaitRetriesUntilTheStapleIsThere(t *testing.T) {
	s := newScene(t)
	if err := s.responder.SetFault("503=1"); err != nil {
		t.Fatal(err)
	}
	healed := time.AfterFunc(time.Second, func() { _ = s.responder.SetFault("") })
	defer healed.Stop()
	// A minute is the first pause; the responder's coming back ends it.
	code, out, errs := s.command("refresh", "--wait=90s", s.dir)
	if code != exitOK {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
}

func TestConfigCheck(t *testing.T) {
	if code, out, errs := command(t, "config", "check", "../../examples/config/restaple.yaml"); code != exitUsage || !strings.Contains(errs, "corp-root.pem") {
		t.Errorf("a CA file that is not there: exit %d, %s%s", code, out, errs)
	}
	s := newScene(t)
	good := filepath.Join(t.TempDir(), "restaple.yaml")
	s.write(good, fmt.Appendf(nil, "certificates: [{paths: [%s, '%s', '%[2]s/*.pem', '%[2]s/../*/site.*']}]\n", s.cert, s.dir))
	if code, out, errs := command(t, "config", "check", good); code != exitOK || out != good+": good\n" || errs != "" {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
}

// TestConfigCheckWarnsOfPathsThatLeadToNothing is no reason for another exit
// code: a sidecar starts before its volume is filled.
func TestConfigCheckWarnsOfPathsThatLeadToNothing(t *testing.T) {
	s := newScene(t)
	dir := t.TempDir()
	for _, d := range []string{"empty", "keys", "deep/below", "other/below"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write(filepath.Join(dir, "keys", "site.key"), []byte("key"))
	s.write(filepath.Join(dir, "deep", "below", "site.pem"), s.issued.ChainPEM())
	s.write(filepath.Join(dir, "other", "below", "site.pem"), s.issued.ChainPEM())
	file := filepath.Join(dir, "restaple.yaml")
	s.write(file, fmt.Appendf(nil, `certificates:
- paths:
  - %s
  - missing
  - missing/*.pem
  - empty/*.pem
- paths: [empty, keys, deep]
- {paths: [other], recursive: true}
`, s.cert))
	code, out, errs := command(t, "config", "check", file)
	want := strings.ReplaceAll(`FILE:4: certificates[0].paths[1]: warning: DIR/missing: no such file or directory
FILE:5: certificates[0].paths[2]: warning: DIR/missing: no such file or directory
FILE:6: certificates[0].paths[3]: warning: DIR/empty/*.pem: no certificate file is there now
FILE:7: certificates[1].paths[0]: warning: DIR/empty: no certificate file is there now
FILE:7: certificates[1].paths[1]: warning: DIR/keys: no certificate file is there now
FILE:7: certificates[1].paths[2]: warning: DIR/deep: no certificate file is there now, and without recursive: directories below are not looked into
FILE: good, but see the warnings
`, "FILE", file)
	want = strings.ReplaceAll(want, "DIR", dir)
	if code != exitOK || out != want || errs != "" {
		t.Errorf("exit %d, %s\n%s\nwant\n%s", code, errs, out, want)
	}
}

func TestVersionAndCompletion(t *testing.T) {
	if code, out, _ := command(t, "version"); code != exitOK || !strings.HasPrefix(out, "restaple ") {
		t.Errorf("exit %d, %q", code, out)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, _ := command(t, "completion", shell); code != exitOK || !strings.Contains(out, "restaple") {
			t.Errorf("%s: exit %d", shell, code)
		}
	}
}

func TestAMistypedCommandLineSaysWhatToDo(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"refesh"}, "restaple: \"refesh\" is no command of restaple\nhint: did you mean refresh?\n"},
		{[]string{"xyzzy"}, "restaple: \"xyzzy\" is no command of restaple\nhint: restaple --help lists the commands\n"},
		{[]string{"config", "chek", "f.yaml"}, "restaple: \"chek\" is no command of restaple config\nhint: did you mean check?\n"},
		{[]string{"lab", "reboke", "dir", "name"}, "restaple: \"reboke\" is no command of restaple lab\nhint: did you mean revoke?\n"},
		{[]string{"completion", "bsh"}, "restaple: \"bsh\" is no command of restaple completion\n"},
		{[]string{"lab", "init"}, "hint: usage: restaple lab init DIR [flags]\n"},
		{[]string{"verify", "--cert", "x"}, "restaple: required flag(s) \"response\" not set\nhint: usage: restaple verify --cert LEAF.pem"},
		{[]string{"check"}, "restaple: required flag(s) \"connect\" not set\nhint: usage: restaple check --connect"},
		{[]string{"refresh", "--wait", "5m", "."}, "restaple: there is no file 5m\nhint: write --wait=5m\n"},
		{[]string{"run", "--sever", "nginx"}, "restaple: unknown flag: --sever\nhint: restaple run --help lists the flags\n"},
	} {
		code, out, errs := command(t, row.args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, row.want) {
			t.Errorf("%v: exit %d, %q, %q, want %q", row.args, code, out, errs, row.want)
		}
	}
	for _, args := range [][]string{{}, {"lab"}, {"config"}, {"help", "lab"}, {"lab", "--help"}, {"--version"}, {"version"}, {"__complete", "lab", ""}} {
		if code, out, errs := command(t, args...); code != exitOK || out == "" {
			t.Errorf("%v: exit %d, %q, %s", args, code, out, errs)
		}
	}
}

func TestWhatIsNotOnThisMachineIsSaidWithItsLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "restaple.yaml")
	text := `certificates:
  - paths: [/certs]
    owner: no.such.user
  - paths: [/certs/more]
    owner: root
    group: no.such.group
responders:
  - host: "*"
    ca_file: nothing.pem
  - host: ocsp.example
    client_cert: cert.pem
    client_key: key.pem
listen: 127.0.0.1:0
answer_for: issuers
issuers:
  - certificate: ca.pem
    responder: http://ocsp.example/
`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("FILE", file, "DIR", dir).Replace(`FILE:3: certificates[0].owner: there is no user "no.such.user" here
FILE:6: certificates[1].group: there is no group "no.such.group" here
FILE:9: responders[0].ca_file: open DIR/nothing.pem: no such file or directory
FILE:10: responders[1].ca_file: open DIR/nothing.pem: no such file or directory
FILE:11: responders[1].client_cert: open DIR/cert.pem: no such file or directory
FILE:16: issuers[0].certificate: open DIR/ca.pem: no such file or directory
`)
	for _, args := range [][]string{{"config", "check", file}, {"refresh", "--config", file, "--state-dir", dir}} {
		if code, _, errs := command(t, args...); code != exitUsage || errs != want {
			t.Errorf("%v: exit %d\n%swant\n%s", args, code, errs, want)
		}
	}
}

func TestShellsAreOfferedTheWordsThatCount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	for _, args := range [][]string{{"lab", "init", dir}, {"lab", "issue", dir, "site.test"}} {
		if code, _, errs := command(t, args...); code != exitOK {
			t.Fatal(errs)
		}
	}
	for _, row := range []struct {
		args []string
		want string // a line of it
	}{
		{[]string{"refresh", "--server", ""}, "haproxy"},
		{[]string{"run", "--log-level", ""}, "warn"},
		{[]string{"status", "-o", ""}, "json"},
		{[]string{"verify", "--for", ""}, "chromium"},
		{[]string{"check", "--key-type", ""}, "ecdsa"},
		{[]string{"lab", "fault", dir, ""}, "delegate-without-usage"},
		{[]string{"lab", "revoke", dir, ""}, "site.test"},
		{[]string{"lab", "revoke", dir, "site.test", "--reason", ""}, "keyCompromise"},
		{[]string{"lab", "serve", ""}, ":16"}, // directories only
	} {
		_, out, _ := command(t, append([]string{"__completeNoDesc"}, row.args...)...)
		if !slices.Contains(strings.Split(out, "\n"), row.want) {
			t.Errorf("%v: got\n%swant %s in it", row.args, out, row.want)
		}
	}
}

// TestHelpIsWhatItWas holds every command's help against a golden file, so that
// a change of the command line is a change somebody meant.
func TestHelpIsWhatItWas(t *testing.T) {
	var out bytes.Buffer
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		fmt.Fprintf(&out, "$ %s --help\n", c.CommandPath())
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCommand())
	golden := filepath.Join("testdata", "help.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("help differs from %s; if that is meant: go test ./cmd/restaple -run Help -update", golden)
	}
}

// TestTheConfigurationOfThePackagesSaysWhatIsMissing starts what an
// installation leaves behind.
func TestTheConfigurationOfThePackagesSaysWhatIsMissing(t *testing.T) {
	const file = "../../packaging/restaple.yaml"
	for _, name := range []string{"run", "refresh"} {
		code, _, errs := command(t, name, "--config", file, "--state-dir", t.TempDir())
		if want := "hint: name files or directories under certificates: in " + file; code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: got exit code %d and %q, want %q", name, code, errs, want)
		}
	}
}
