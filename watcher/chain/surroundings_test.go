package chain

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// tick waits until a change is made at another time than what was before: the
// clock of file systems goes by milliseconds, before Linux 6.13.
func tick(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clock")
	written := func() time.Time {
		writeFile(t, path, nil)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	for before := written(); !written().After(before); {
	}
}

func TestSurroundingsChangeWithWhateverMayHoldTheIssuer(t *testing.T) {
	dir, issuers := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "site.pem")
	l := NewLoader(LoaderOptions{IssuerDirs: []string{issuers}})
	before := l.Surroundings(path)
	for _, step := range []struct {
		name   string
		change func() error
		same   bool
	}{
		{"nothing", func() error { return nil }, true},
		{"the chain itself", func() error { return os.WriteFile(path, nil, 0o644) }, true},
		{"somebody else's", func() error { return os.WriteFile(filepath.Join(dir, "other.issuer"), nil, 0o644) }, true},
		{"site.pem.issuer", func() error { return os.WriteFile(path+".issuer", nil, 0o644) }, false},
		{"site.issuer", func() error { return os.WriteFile(filepath.Join(dir, "site.issuer"), nil, 0o644) }, false},
		{"chain.pem", func() error { return os.WriteFile(filepath.Join(dir, "chain.pem"), nil, 0o644) }, false},
		{"ca.crt", func() error { return os.WriteFile(filepath.Join(dir, "ca.crt"), nil, 0o644) }, false},
		{"ca.crt, other content", func() error { return os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("1"), 0o644) }, false},
		{"ca.crt may be read", func() error { return os.Chmod(filepath.Join(dir, "ca.crt"), 0o600) }, false},
		{"ca.crt gone", func() error { return os.Remove(filepath.Join(dir, "ca.crt")) }, false},
		{"an issuer directory", func() error { return os.WriteFile(filepath.Join(issuers, "a.pem"), nil, 0o644) }, false},
		{"a file in it, anew", func() error {
			return os.Chtimes(filepath.Join(issuers, "a.pem"), time.Time{}, time.Now().Add(-time.Hour))
		}, false},
		{"a file in it gone", func() error { return os.Remove(filepath.Join(issuers, "a.pem")) }, false},
	} {
		tick(t)
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		l.Refresh()
		after := l.Surroundings(path)
		if (after == before) != step.same {
			t.Errorf("%s: changed %v, want %v", step.name, after != before, !step.same)
		}
		before = after
	}
}
