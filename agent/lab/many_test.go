package lab

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestManyAreIssuedAtOnce(t *testing.T) {
	const count = 12
	for _, row := range []struct {
		name           string
		shared, bundle bool
		files          int
		key            string // of the first
	}{
		{name: "each with its key", files: 2 * count, key: "01.site.test.key"},
		{name: "with one key", shared: true, files: count + 1, key: "site.test.key"},
		{name: "each a bundle", bundle: true, files: count, key: "01.site.test.pem"},
		{name: "bundles with one key", shared: true, bundle: true, files: count, key: "01.site.test.pem"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := newDir(t, DirOptions{})
			at := filepath.Join(t.TempDir(), "new")
			many, err := dir.IssueMany(ManyOptions{
				IssueOptions: IssueOptions{Names: []string{"site.test", "127.0.0.1"}, MustStaple: true},
				Count:        count, SharedKey: row.shared, Bundle: row.bundle, Dir: at,
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := (Many{Dir: at, First: "01.site.test", Last: "12.site.test"}); *many != want {
				t.Errorf("got %+v, want %+v", *many, want)
			}
			if files, err := os.ReadDir(at); err != nil || len(files) != row.files {
				t.Errorf("%d files, %v, want %d", len(files), err, row.files)
			}
			pair, err := tls.LoadX509KeyPair(filepath.Join(at, many.First+".pem"), filepath.Join(at, row.key))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(pair.Leaf.VerifyHostname("01.site.test"), pair.Leaf.VerifyHostname("127.0.0.1"), pair.Leaf.CheckSignatureFrom(dir.CA().Certificate)); err != nil {
				t.Error(err)
			}
			known(t, dir, count, SerialText(pair.Leaf.SerialNumber), many.First)
		})
	}
}

// known wants the lab to say good of so many certificates, one of them this.
func known(t *testing.T, dir *Dir, count int, serial, name string) {
	t.Helper()
	responder, err := NewResponder(ResponderOptions{CA: dir.CA()})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(dir.Follow(responder))
	defer s.Close()
	if _, err := s.Client().Get(s.URL); err != nil { // any request has it look
		t.Fatal(err)
	}
	state, err := dir.State()
	if err != nil {
		t.Fatal(err)
	}
	if r := state.Records[serial]; len(state.Records) != count || r.Name != name || r.Status != Good {
		t.Errorf("%d certificates are known, and of %s %+v", len(state.Records), serial, r)
	}
	if got := responder.NameOf(serial); got != name {
		t.Errorf("the responder calls %s %q, want %q", serial, got, name)
	}
}

func TestWhatCannotBeWrittenIsNotIssued(t *testing.T) {
	dir := newDir(t, DirOptions{})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, o := range []ManyOptions{
		{IssueOptions: IssueOptions{Names: []string{"*.site.test"}}, Count: 2},
		{IssueOptions: IssueOptions{Names: []string{"127.0.0.1"}}, Count: 2},
		{IssueOptions: IssueOptions{Names: []string{"../site"}}, Count: 2},
		{IssueOptions: IssueOptions{Names: []string{"site.test"}}, Count: 0},
		{IssueOptions: IssueOptions{}, Count: 2},
		{IssueOptions: IssueOptions{Names: []string{"site.test"}}, Count: 2, Dir: file},
		{IssueOptions: IssueOptions{Names: []string{"site.test"}, KeyType: "dsa"}, Count: 2, SharedKey: true},
		{IssueOptions: IssueOptions{Names: []string{"site.test"}, KeyType: "dsa"}, Count: 2},
	} {
		if _, err := dir.IssueMany(o); err == nil {
			t.Errorf("%+v: issued", o)
		}
	}
	for name, out := range map[string]string{"../escape": "", "a.test": file + "/x.pem", "b.test": filepath.Join(t.TempDir(), "no", "x.pem"), "c.test": t.TempDir()} {
		if _, err := dir.File(name, out); err == nil {
			t.Errorf("%s at %q: taken", name, out)
		}
	}
	if _, err := dir.File("a.test", filepath.Join(t.TempDir(), "no", "x.pem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that there is no such directory", err)
	}
	if state, err := dir.State(); err != nil || len(state.Records) != 0 {
		t.Errorf("on record: %v, %v", state.Records, err)
	}
}
