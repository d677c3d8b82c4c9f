package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
)

// runLab runs `restaple lab` and returns what it printed.
func runLab(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := newLabCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func mustRunLab(t *testing.T, args ...string) string {
	t.Helper()
	out, err := runLab(t, args...)
	if err != nil {
		t.Fatalf("lab %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// serveLab runs `restaple lab serve` until the test is over, and returns its
// URL and the lines it prints after that.
func serveLab(t *testing.T, args ...string) (url string, lines <-chan string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	printed := make(chan string, 100)
	cmd := newLabCommand()
	cmd.SetArgs(append([]string{"serve", "--listen", "127.0.0.1:0"}, args...))
	cmd.SetOut(lineWriter(printed))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("lab serve: %v", err)
		}
	})
	select {
	case line := <-printed:
		return strings.TrimSpace(strings.TrimPrefix(line, "serving ")), printed
	case err := <-done:
		done <- err
		t.Fatalf("lab serve ended: %v", err)
		return "", nil
	}
}

// lineWriter passes on what is written; `lab serve` writes whole lines.
type lineWriter chan<- string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// TestLabIsSteeredWhileItServes does a drill by the commands that the help
// text shows.
func TestLabIsSteeredWhileItServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	mustRunLab(t, "init", dir)
	url, lines := serveLab(t, dir, "--delegated")
	mustRunLab(t, "issue", dir, "site.test", "www.site.test", "--must-staple")
	opened, err := lab.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	leaf := readLeaf(t, filepath.Join(dir, "certs", "site.test.pem"))
	der, err := ocsp.CreateRequest(leaf, opened.CA().Certificate, nil)
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (status int, body []byte) {
		t.Helper()
		resp, err := http.Post(url, "application/ocsp-request", bytes.NewReader(der))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err = io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	rows := []struct {
		args       []string // none: before anything was said
		says       string
		http, want int // an HTTP status, and if that is 200 an OCSP one
		line       string
	}{
		{http: 200, want: ocsp.Good, line: "POST site.test: good"},
		{args: []string{"revoke", dir, "site.test", "--reason", "keyCompromise", "--at", "2026-01-02T15:04:05Z"}, says: "revoked: site.test", http: 200, want: ocsp.Revoked, line: "POST site.test: revoked"},
		{args: []string{"forget", dir, lab.SerialText(leaf.SerialNumber)}, says: "forgotten: site.test", http: 200, want: ocsp.Unknown, line: "POST site.test: unknown"},
		{args: []string{"good", dir, "site.test"}, says: "good: site.test", http: 200, want: ocsp.Good, line: "POST site.test: good"},
		{args: []string{"fault", dir, "500"}, says: "fault 500: all", http: 500, line: "POST site.test: good (fault 500)"},
		{args: []string{"fault", dir, "404", "--cert", "site.test"}, says: "fault 404: site.test", http: 404, line: "POST site.test: good (fault 404)"},
		{args: []string{"fault", dir, "none", "--cert", "site.test"}, says: "fault none: site.test", http: 500, line: "POST site.test: good (fault 500)"},
		{args: []string{"fault", dir, "none"}, says: "fault none: all", http: 200, want: ocsp.Good, line: "POST site.test: good"},
		{args: []string{"renew", dir}, http: 200, want: ocsp.Good, line: "POST site.test: good"},
	}
	var last time.Time
	for _, row := range rows {
		if row.args != nil {
			if got := mustRunLab(t, row.args...); !strings.HasPrefix(got, row.says) {
				t.Errorf("%v: printed %q, want %q", row.args, got, row.says)
			}
		}
		status, body := ask()
		if status != row.http {
			t.Errorf("%v: got %d, want %d", row.args, status, row.http)
		}
		if line := strings.TrimSpace(<-lines); !strings.HasSuffix(line, row.line) {
			t.Errorf("%v: printed %q, want %q", row.args, line, row.line)
		}
		if status != http.StatusOK {
			continue
		}
		got, err := ocsp.ParseResponseForCert(body, leaf, opened.CA().Certificate)
		if err != nil {
			t.Fatalf("%v: %v", row.args, err)
		}
		if got.Status != row.want || got.Certificate == nil || !got.ThisUpdate.After(last) {
			t.Errorf("%v: got status %d at %v, delegated %t; want %d, later than %v, delegated",
				row.args, got.Status, got.ThisUpdate, got.Certificate != nil, row.want, last)
		}
		last = got.ThisUpdate
	}
}

func TestLabListShowsWhatIsSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	mustRunLab(t, "init", dir)
	mustRunLab(t, "issue", dir, "a.test")
	mustRunLab(t, "issue", dir, "b.test", "--out", filepath.Join(t.TempDir(), "b.pem"), "--bundle", "--key", "rsa")
	mustRunLab(t, "revoke", dir, "a.test", "--reason", "superseded")
	mustRunLab(t, "fault", dir, "slow=2s", "--cert", "b.test")
	mustRunLab(t, "fault", dir, "tryLater")
	var got [][]string
	for line := range strings.Lines(mustRunLab(t, "list", dir)) {
		got = append(got, strings.Fields(line))
	}
	if len(got) != 4 || got[1][0] != "a.test" || got[1][2] != "revoked" || got[1][3] != "superseded" ||
		got[2][0] != "b.test" || got[2][2] != "good" || got[2][3] != "slow=2s" || got[3][1] != "tryLater" {
		t.Errorf("got %v", got)
	}
}

func TestLabSaysWhatIsWrong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	mustRunLab(t, "init", dir)
	mustRunLab(t, "issue", dir, "site.test")
	rows := []struct {
		args []string
		want string
	}{
		{[]string{"init", dir}, "there is a lab already"},
		{[]string{"init", dir + "2", "--url", "here"}, "must be http://HOST:PORT/"},
		{[]string{"init", dir + "2", "--key", "dsa"}, `"dsa"`},
		{[]string{"serve", dir + "2"}, "no lab here"},
		{[]string{"serve", dir, "--validity", "1ms"}, "validity"},
		{[]string{"issue", dir, "x.test", "--lifetime", "-1h"}, "--lifetime"},
		{[]string{"issue", dir, "../x"}, "cannot be a file's name"},
		{[]string{"issue", dir, "x.test", "--out", filepath.Join(dir, "no", "x.pem")}, "no such file or directory"},
		{[]string{"revoke", dir, "nobody.test"}, "no certificate of this name or serial"},
		{[]string{"revoke", dir, "site.test", "--reason", "boredom"}, "keyCompromise"},
		{[]string{"revoke", dir, "site.test", "--at", "yesterday"}, "must be like 2026-01-02T15:04:05Z"},
		{[]string{"fault", dir, "nonsense"}, "there is no such fault"},
		{[]string{"fault", dir, "slow"}, "slow=2s"},
		{[]string{"list", dir + "2"}, "no lab here"},
	}
	for _, row := range rows {
		if out, err := runLab(t, row.args...); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("lab %s: got %v and %q, want an error about %q", strings.Join(row.args, " "), err, out, row.want)
		}
	}
}

func TestLabFaultHelpNamesEachFault(t *testing.T) {
	help := mustRunLab(t, "fault", "--help")
	for _, f := range lab.Faults() {
		if !strings.Contains(help, "\n  "+f.Name) {
			t.Errorf("%s is not there", f.Name)
		}
	}
}

func TestLabIssueWithoutResponder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	mustRunLab(t, "init", dir, "--url", "http://ocsp.test/")
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, "http://ocsp.test/"},
		{[]string{"--no-ocsp"}, ""},
		{[]string{"--responder", "http://a.test/", "--responder", "http://b.test/"}, "http://a.test/ http://b.test/"},
	} {
		out := filepath.Join(t.TempDir(), "x.pem")
		mustRunLab(t, append([]string{"issue", dir, "x.test", "--out", out}, row.args...)...)
		if got := strings.Join(readLeaf(t, out).OCSPServer, " "); got != row.want {
			t.Errorf("%v: got responders %q, want %q", row.args, got, row.want)
		}
		if info, err := os.Stat(strings.TrimSuffix(out, ".pem") + ".key"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v: key: %v", row.args, err)
		}
	}
}

func readLeaf(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s: no PEM", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestLabIssuesManyAndRecordsNothingItCannotWrite(t *testing.T) {
	dir, many := filepath.Join(t.TempDir(), "lab"), filepath.Join(t.TempDir(), "many")
	mustRunLab(t, "init", dir)
	out := mustRunLab(t, "issue", dir, "site.test", "--count", "30", "--shared-key", "--out", many)
	if want := "issued 30 certificates, 01.site.test to 30.site.test: " + many; strings.TrimSpace(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	readLeaf(t, filepath.Join(many, "30.site.test.pem"))
	list := mustRunLab(t, "list", dir)
	for _, args := range [][]string{
		{"../x"}, {"x.test", "--out", filepath.Join(dir, "no", "x.pem")}, {"x.test", "--count", "0"}, {"x.test", "--shared-key"},
	} {
		if _, err := runLab(t, append([]string{"issue", dir}, args...)...); err == nil {
			t.Errorf("issue %v: done", args)
		}
	}
	if after := mustRunLab(t, "list", dir); after != list {
		t.Errorf("on record is what could not be written:\n%s", after)
	}
}
