package watcher

import (
	"path/filepath"
	"testing"
)

func TestSourceKnowsItsFilesByName(t *testing.T) {
	tests := []struct {
		name   string
		source Source
		path   string
		want   bool
	}{
		{"file", Source{Path: "/c/site.key"}, "/c/site.key", true},
		{"beside a file", Source{Path: "/c/site.pem"}, "/c/other.pem", false},
		{"in a directory", Source{Path: "/c"}, "/c/site.pem", true},
		{"without extension", Source{Path: "/c"}, "/c/site", true},
		{"HAProxy bundle", Source{Path: "/c"}, "/c/site.pem.ecdsa", true},
		{"directory with a slash", Source{Path: "/c/"}, "/c/site.pem", true},
		{"the root", Source{Path: "/"}, "/site.pem", true},
		{"a name that only begins the same", Source{Path: "/c"}, "/cc/site.pem", false},
		{"staple", Source{Path: "/c"}, "/c/site.pem.ocsp", false},
		{"key", Source{Path: "/c"}, "/c/site.key", false},
		{"SCT list", Source{Path: "/c"}, "/c/site.pem.sctl", false},
		{"issuer", Source{Path: "/c"}, "/c/site.pem.issuer", false},
		{"dot file", Source{Path: "/c"}, "/c/.restaple-1", false},
		{"subdirectory", Source{Path: "/c"}, "/c/a/site.pem", false},
		{"subdirectory, recursive", Source{Path: "/c", Recursive: true}, "/c/a/b/site.pem", true},
		{"hidden subdirectory", Source{Path: "/c", Recursive: true}, "/c/.a/site.pem", false},
		{"inner side of a volume", Source{Path: "/c", Recursive: true}, "/c/..data/tls.crt", false},
		{"glob", Source{Path: "/c/*.pem"}, "/c/site.pem", true},
		{"glob, other extension", Source{Path: "/c/*.pem"}, "/c/site.crt", false},
		{"glob does not reach deeper", Source{Path: "/c/*.pem"}, "/c/a/site.pem", false},
		{"glob over directories", Source{Path: "/live/*/fullchain.pem"}, "/live/site/fullchain.pem", true},
		{"glob over directories, too deep", Source{Path: "/live/*/fullchain.pem"}, "/live/a/b/fullchain.pem", false},
		{"glob takes no staple", Source{Path: "/c/*"}, "/c/site.pem.ocsp", false},
		{"glob takes no dot file", Source{Path: "/c/*"}, "/c/.site.pem", false},
		{"glob that names dot directories", Source{Path: "/home/*/.tls/*.pem"}, "/home/a/.tls/x.pem", true},
		{"glob enters no volume", Source{Path: "/v/**/.tls/*.pem"}, "/v/..data/.tls/x.pem", false},
		{"two stars, no directory", Source{Path: "/c/**/*.pem"}, "/c/site.pem", true},
		{"two stars, deep", Source{Path: "/c/**/*.pem"}, "/c/a/b/site.pem", true},
		{"two stars in the middle", Source{Path: "/c/*/x/**/y.pem"}, "/c/a/x/b/y.pem", true},
		{"two stars in the middle, other way", Source{Path: "/c/*/x/**/y.pem"}, "/c/a/z/b/y.pem", false},
		{"braces", Source{Path: "/c/{a,b}/*.pem"}, "/c/b/x.pem", true},
		{"braces over a slash", Source{Path: "/c/{a,b/d}/*.pem"}, "/c/b/d/x.pem", true},
		{"class", Source{Path: "/c/[a-c].pem"}, "/c/b.pem", true},
		{"file called like a pattern", Source{Path: "/c/a[1].pem"}, "/c/a[1].pem", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := newSources([]Source{test.source})
			if err != nil {
				t.Fatal(err)
			}
			if got := s.claims(test.path); got != test.want {
				t.Errorf("%+v claims %s: got %v, want %v", test.source, test.path, got, test.want)
			}
		})
	}
}

func TestSourcesAreFoundInOrder(t *testing.T) {
	s, err := newSources([]Source{
		{Path: "/c/**/x.pem"}, {Path: "/c", Recursive: true}, {Path: "/d"}, {Path: "/c/a"}, {Path: "/c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := s.covering("/c/a")
	if want := []int{0, 1, 3}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNewRefusesWhatCannotBeWatched(t *testing.T) {
	for name, sources := range map[string][]Source{
		"an empty path":     {{Path: ""}},
		"a broken pattern":  {{Path: "/c/[a"}},
		"unbalanced braces": {{Path: "/c/{a,b"}},
	} {
		if _, err := New(Options{Sources: sources}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestRelativeSourcesAreMadeAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "site.pem", "x")
	w := newWatcher(t, Options{Sources: []Source{{Path: "./x/../site.pem"}}})
	files, problems := w.Scan(t.Context())
	if len(problems) > 0 || len(files) != 1 || files[0].Path != filepath.Join(dir, "site.pem") {
		t.Errorf("got %v, %v", files, problems)
	}
}
