package lab

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

const anyURL = "http://127.0.0.1:8889/"

func newDir(t *testing.T, o DirOptions) *Dir {
	t.Helper()
	if o.URL == "" {
		o.URL = anyURL
	}
	dir, err := Init(filepath.Join(t.TempDir(), "lab"), o)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func issueIn(t *testing.T, d *Dir, o IssueOptions) *Issued {
	t.Helper()
	issued, err := d.Issue(o)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// TestServingProcessFollowsTheState changes the state through another handle
// than the one that is served, as another process would.
func TestServingProcessFollowsTheState(t *testing.T) {
	dir := newDir(t, DirOptions{})
	responder, err := NewResponder(ResponderOptions{CA: dir.CA()})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(dir.Follow(responder))
	defer server.Close()
	other, err := Open(dir.path)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{pki: &PKI{Intermediate: dir.CA()}, leaf: issueIn(t, other, IssueOptions{Names: []string{"site.test"}}), responder: responder, url: server.URL}
	serial := SerialText(r.leaf.Certificate.SerialNumber)
	change := func(f func(*Record)) {
		t.Helper()
		err := other.Update(func(s *State) error {
			c := s.Records[serial]
			f(&c)
			s.Records[serial] = c
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want int) {
		t.Helper()
		if _, body := r.post(t, r.request(t, crypto.SHA1)); r.parse(t, body).Status != want {
			t.Errorf("got status %d, want %d", r.parse(t, body).Status, want)
		}
	}
	expect(ocsp.Good)
	if got := responder.NameOf(serial); got != "site.test" {
		t.Errorf("got name %q, want site.test", got)
	}
	change(func(c *Record) { c.Status, c.RevokedAt, c.Reason = Revoked, time.Now(), "superseded" })
	expect(ocsp.Revoked)
	change(func(c *Record) { c.Status = Unknown })
	expect(ocsp.Unknown)
	change(func(c *Record) { c.Status = Good })
	expect(ocsp.Good)
	change(func(c *Record) { c.Fault = "tryLater" })
	if _, body := r.post(t, r.request(t, crypto.SHA1)); body[4] != TryLater {
		t.Errorf("got % x, want tryLater", body)
	}

	r.leaf = issueLeaf(t, dir.CA(), IssueOptions{}) // never recorded
	expect(ocsp.Unknown)

	path := filepath.Join(dir.path, stateFile)
	if err := os.WriteFile(path, []byte(`{"default": "fine"}`), publicMode); err != nil {
		t.Fatal(err)
	}
	if resp, body := r.post(t, r.request(t, crypto.SHA1)); resp.StatusCode != 500 || !strings.Contains(string(body), path) {
		t.Errorf("a damaged state file: got %s %q, want 500 and the file's name", resp.Status, body)
	}
}

func TestConcurrentIssuesLoseNothing(t *testing.T) {
	dir := newDir(t, DirOptions{})
	const writers, each = 4, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := dir.Issue(IssueOptions{Names: []string{fmt.Sprintf("w%d-%d.test", w, i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	state, err := dir.State()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(state.Records), writers*each; got != want {
		t.Errorf("got %d records, want %d", got, want)
	}
}

func TestFindTakesTheNewestOfANameAndAnySerial(t *testing.T) {
	dir := newDir(t, DirOptions{})
	old := issueIn(t, dir, IssueOptions{Names: []string{"site.test"}})
	renewed := issueIn(t, dir, IssueOptions{Names: []string{"site.test"}})
	state, err := dir.State()
	if err != nil {
		t.Fatal(err)
	}
	oldSerial := SerialText(old.Certificate.SerialNumber)
	var colons []string
	for i := 0; i < len(oldSerial); i += 2 {
		colons = append(colons, strings.ToLower(oldSerial[i:i+2]))
	}
	for what, want := range map[string]string{
		"site.test":                  SerialText(renewed.Certificate.SerialNumber),
		oldSerial:                    oldSerial,
		"0x" + oldSerial:             oldSerial,
		strings.Join(colons, ":"):    oldSerial,
		strings.ToLower(oldSerial):   oldSerial,
		"nobody.test":                "",
		"00":                         "",
		"0x" + oldSerial + oldSerial: "",
	} {
		got, err := state.Find(what)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", what, got, err, want)
		}
	}
}

func TestWrittenFilesLoadInATLSServer(t *testing.T) {
	dir := newDir(t, DirOptions{KeyType: RSA})
	issued := issueIn(t, dir, IssueOptions{Names: []string{"*.site.test"}, KeyType: RSA})
	files, err := dir.Write(issued, "", false)
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir.path, certsDir, "_.site.test")
	if want := []string{base + ".pem", base + ".key"}; !slices.Equal(files, want) {
		t.Errorf("got %v, want %v", files, want)
	}
	pair, err := tls.LoadX509KeyPair(files[0], files[1])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := pair.Certificate, issued.TLS(nil).Certificate; !slices.EqualFunc(got, want, bytes.Equal) || len(got) != 2 {
		t.Errorf("got a chain of %d certificates, want leaf and intermediate", len(got))
	}
	bundle := filepath.Join(t.TempDir(), "site.pem")
	if _, err := dir.Write(issued, bundle, true); err != nil {
		t.Fatal(err)
	}
	if _, err := tls.LoadX509KeyPair(bundle, bundle); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]fs.FileMode{
		files[0]: 0o644, files[1]: 0o600, bundle: 0o600,
		filepath.Join(dir.path, "root.key"): 0o600, filepath.Join(dir.path, "intermediate.key"): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got mode %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	for _, name := range []string{"../escape", ".hidden", ""} {
		if _, err := dir.File(name, ""); err == nil {
			t.Errorf("%q was taken as a file's name", name)
		}
		if _, err := dir.Write(issueLeaf(t, dir.CA(), IssueOptions{CommonName: name}), "", false); err == nil {
			t.Errorf("%q was taken as a file's name", name)
		}
	}
}

func TestInitLeavesALabAlone(t *testing.T) {
	dir := newDir(t, DirOptions{})
	if _, err := Init(dir.path, DirOptions{URL: anyURL}); err == nil {
		t.Error("a lab was made over another")
	}
	again, err := Open(dir.path)
	if err != nil {
		t.Fatal(err)
	}
	if !again.CA().Certificate.Equal(dir.CA().Certificate) || again.URL() != anyURL {
		t.Error("the lab is another one")
	}
	if _, err := os.Stat(again.RootFile()); err != nil {
		t.Error(err)
	}
}

func TestInitChecksItsOptions(t *testing.T) {
	for _, o := range []DirOptions{{}, {URL: "127.0.0.1:80"}, {URL: "ldap://x/"}, {URL: anyURL, KeyType: "dsa"}} {
		if _, err := Init(filepath.Join(t.TempDir(), "lab"), o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("an empty directory was opened as a lab")
	}
}

func TestStatesThatAreNone(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{"default":"fine"}`, `{"fault":"nonsense"}`,
		`{"certificates":{"01":{"status":"bad"}}}`,
		`{"certificates":{"01":{"reason":"boredom"}}}`,
		`{"certificates":{"01":{"fault":"slow"}}}`,
	} {
		if _, err := ParseState([]byte(text)); err == nil {
			t.Errorf("%s: got no error", text)
		}
	}
}
