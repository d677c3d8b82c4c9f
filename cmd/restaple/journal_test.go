package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// linesWith runs restaple with its standard error in a file, and returns what
// is there. JOURNAL_STREAM names the file standard error is said to be.
func linesWith(t *testing.T, journal func(stderr *os.File) string, args ...string) []string {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "JOURNAL_STREAM="+journal(stderr))
	cmd.Stderr = stderr
	if err := cmd.Run(); err == nil {
		t.Error("it should have had something to complain of")
	}
	said, err := os.ReadFile(stderr.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(said), "\n"), "\n")
	if len(lines) < 2 {
		t.Fatalf("too little to look at: %q", said)
	}
	return lines
}

// streamOf is what systemd writes into JOURNAL_STREAM.
func streamOf(f *os.File) string {
	var s syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &s); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
}

func TestLinesForTheJournalSayHowGraveTheyAre(t *testing.T) {
	s := newScene(t)
	if err := s.responder.Revoke(s.issued.Certificate.SerialNumber, "keyCompromise", time.Now()); err != nil {
		t.Fatal(err)
	}
	refresh := []string{"refresh", "--log-level", "debug", "--state-dir", s.state, "--allow", "127.0.0.0/8",
		"--hook", "printf 'one\\ntwo\\n'; exit 1", s.cert, filepath.Join(s.dir, "none.pem")}
	seen := make(map[string]bool)
	for _, line := range linesWith(t, streamOf, refresh...) {
		m := regexp.MustCompile(`^(<[0-9]>)time=\S+ level=([A-Z]+) `).FindStringSubmatch(line)
		want := map[string]string{"ERROR": "<3>", "WARN": "<4>", "INFO": "<6>", "DEBUG": "<7>"}
		if m == nil || m[1] != want[m[2]] {
			t.Errorf("not begun as it should be: %q", line)
			continue
		}
		seen[m[2]] = true
	}
	if len(seen) < 4 {
		t.Errorf("only lines of %v", seen)
	}

	file := filepath.Join(t.TempDir(), "restaple.yaml")
	s.write(file, []byte("pahts: 1\nretsacn: 2\n"))
	for _, command := range [][]string{{"config", "check", file}, {"run", "--config", file}, {"statsu"}} { // and a hint
		for _, line := range linesWith(t, streamOf, command...) {
			if !regexp.MustCompile(`^<3>[^<]`).MatchString(line) {
				t.Errorf("%v: not begun as an error: %q", command, line)
			}
		}
	}
}

func TestLinesForOthersThanTheJournalAreAsTheyWere(t *testing.T) {
	s := newScene(t)
	refresh := []string{"refresh", "--log-level", "debug", "--state-dir", s.state, "--responder", "http://127.0.0.1:1/", s.cert}
	other, err := os.Create(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for name, journal := range map[string]func(*os.File) string{
		"no journal":      func(*os.File) string { return "" },
		"another journal": func(*os.File) string { return streamOf(other) },
		"nonsense":        func(*os.File) string { return "nonsense" },
	} {
		for _, line := range linesWith(t, journal, refresh...) {
			if !strings.HasPrefix(line, "time=") {
				t.Errorf("%s: got %q", name, line)
			}
		}
	}
	for _, line := range linesWith(t, streamOf, append(refresh, "--log-format", "json")...) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %q", line)
		}
	}
}

func TestEveryLineOfAWriteHasItsPriority(t *testing.T) {
	var out strings.Builder
	j := &journalWriter{to: &out, priority: 3}
	for _, text := range []string{"one\ntwo\n", "\n", "last"} {
		if n, err := io.WriteString(j, text); n != len(text) || err != nil {
			t.Errorf("%q: %d written, %v", text, n, err)
		}
	}
	if got, want := out.String(), "<3>one\n<3>two\n<3>\n<3>last"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
