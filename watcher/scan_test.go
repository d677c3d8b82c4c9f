package watcher

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/watcher/chain"
)

func newWatcher(t *testing.T, o Options) *Watcher {
	t.Helper()
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// write makes a file, and the directories on the way to it.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// messy makes a tree with everything in it that people have beside their
// certificates.
func messy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(path string) string { return filepath.Join(dir, path) }
	for _, path := range []string{
		"c/site.pem", "c/site.pem.ocsp", "c/site.key", "c/site.pem.rsa", "c/.hidden.pem", "c/notes.txt",
		"c/a/deep.pem", "c/a/b/deeper.pem", "c/.git/x.pem", "other/o.pem", "other/sub/p.pem",
		"vol/..2026_01/tls.crt", "vol/..2026_01/tls.key", "live/x/README", "third/q.pem",
		"literal/*.example.com.pem", "literal/a[1].pem",
	} {
		write(t, at(path), "x")
	}
	write(t, at("archive/x/cert3.pem"), "x")
	link(t, "../../archive/x/cert3.pem", at("live/x/cert.pem"))
	link(t, "..2026_01", at("vol/..data"))
	link(t, "..data/tls.crt", at("vol/tls.crt"))
	link(t, "..data/tls.key", at("vol/tls.key"))
	link(t, "../other", at("c/linked"))
	link(t, "..", at("c/a/up"))
	link(t, "../c", at("other/back"))
	link(t, "../third", at("other/third"))
	link(t, "nowhere", at("c/dangling.pem"))
	link(t, "self.pem", at("c/self.pem"))
	write(t, at("c/huge.pem"), strings.Repeat("x", chain.MaxSize+1))
	if err := syscall.Mkfifo(at("c/fifo.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestScanFindsTheFilesOfASource(t *testing.T) {
	dir := messy(t)
	tests := []struct {
		name   string
		source Source
		want   []string
	}{
		{"one file", Source{Path: "c/site.key"}, []string{"c/site.key"}},
		{"a large file by name", Source{Path: "c/huge.pem"}, []string{"c/huge.pem"}},
		{"a directory", Source{Path: "c"}, []string{"c/notes.txt", "c/site.pem", "c/site.pem.rsa"}},
		{"recursive", Source{Path: "c", Recursive: true}, []string{
			"c/a/b/deeper.pem", "c/a/deep.pem", "c/linked/o.pem", "c/linked/sub/p.pem",
			"c/notes.txt", "c/site.pem", "c/site.pem.rsa",
		}},
		{"a directory behind a link", Source{Path: "c/linked"}, []string{"c/linked/o.pem"}},
		{"a Kubernetes volume", Source{Path: "vol"}, []string{"vol/tls.crt"}},
		{"a Kubernetes volume, recursive", Source{Path: "vol", Recursive: true}, []string{"vol/tls.crt"}},
		{"certbot", Source{Path: "live", Recursive: true}, []string{"live/x/README", "live/x/cert.pem"}},
		{"a glob", Source{Path: "c/*.pem"}, []string{"c/site.pem"}},
		{"a glob over directories", Source{Path: "live/*/*.pem"}, []string{"live/x/cert.pem"}},
		{"two stars", Source{Path: "c/**/*.pem"}, []string{
			"c/a/b/deeper.pem", "c/a/deep.pem", "c/linked/o.pem", "c/linked/sub/p.pem", "c/site.pem",
		}},
		{"braces over a slash", Source{Path: "c/{a/b,a}/*.pem"}, []string{"c/a/b/deeper.pem", "c/a/deep.pem"}},
		{"a name like a glob", Source{Path: "literal/*.example.com.pem"}, []string{"literal/*.example.com.pem"}},
		{"a name like a class", Source{Path: "literal/a[1].pem"}, []string{"literal/a[1].pem"}},
		{"a glob without a match", Source{Path: "c/*.der"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.source.Path = filepath.Join(dir, test.source.Path)
			w := newWatcher(t, Options{Sources: []Source{test.source}})
			files, problems := w.Scan(t.Context())
			if len(problems) > 0 {
				t.Errorf("got problems %v", problems)
			}
			if got := pathsBelow(dir, files); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func pathsBelow(dir string, files []File) (paths []string) {
	for _, f := range files {
		path, _ := filepath.Rel(dir, f.Path)
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Look and Scan go about it in opposite directions and must agree.
func TestLookSeesWhatScanSees(t *testing.T) {
	dir := messy(t)
	var all []Source
	for _, s := range []Source{
		{Path: "c"}, {Path: "c", Recursive: true}, {Path: "c/site.key"}, {Path: "c/huge.pem"}, {Path: "c/missing.pem"},
		{Path: "vol", Recursive: true}, {Path: "live", Recursive: true}, {Path: "other", Recursive: true},
		{Path: "c/**/*.pem"}, {Path: "**/*"}, {Path: "live/*/cert.pem"}, {Path: "c/linked"}, {Path: "c/a/up"}, {Path: "literal/*.example.com.pem"}, {Path: "literal/a[1].pem"}, {Path: "**/third/*.pem"},
		{Path: "c/a/up", Recursive: true},
	} {
		all = append(all, Source{Path: filepath.Join(dir, s.Path), Recursive: s.Recursive})
	}
	w := newWatcher(t, Options{Sources: all, Ignore: func(path string) bool {
		return filepath.Base(path) == "notes.txt"
	}})
	files, _ := w.Scan(t.Context())
	scanned := make(map[string][]File)
	for _, f := range files {
		scanned[f.Path] = append(scanned[f.Path], f)
	}
	if len(scanned) < 20 {
		t.Fatalf("got only %d paths, the tree is not what it should be", len(scanned))
	}
	tried := 0
	for _, path := range everyPath(dir) {
		tried++
		if got := w.Look(path); !slices.Equal(got, scanned[path]) {
			t.Errorf("%s: Look got %v, Scan %v", path, got, scanned[path])
		}
	}
	for path := range scanned {
		if got := w.Look(path); !slices.Equal(got, scanned[path]) {
			t.Errorf("%s: Look got %v, Scan %v", path, got, scanned[path])
		}
	}
	if tried < 100 {
		t.Errorf("tried only %d paths", tried)
	}
}

// everyPath returns all paths below dir, through links as well, to a depth.
func everyPath(dir string) (paths []string) {
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			paths = append(paths, path)
			if depth < 6 {
				walk(path, depth+1)
			}
		}
	}
	walk(dir, 0)
	return paths
}

func TestScanReportsWhatItCannotLookAt(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file.pem"), "x")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	sources := []Source{
		{Path: filepath.Join(dir, "missing.pem")},
		{Path: filepath.Join(dir, "missing/*.pem")},
		{Path: filepath.Join(dir, "fifo")},
		{Path: filepath.Join(dir, "file.pem/below.pem")},
		{Path: filepath.Join(dir, "file.pem")},
	}
	w := newWatcher(t, Options{Sources: sources})
	files, problems := w.Scan(t.Context())
	if got := pathsBelow(dir, files); !slices.Equal(got, []string{"file.pem"}) {
		t.Errorf("got files %q, want only file.pem", got)
	}
	if len(problems) != 4 {
		t.Fatalf("got %d problems %v, want 4", len(problems), problems)
	}
	for i, problem := range problems {
		e, ok := errors.AsType[*SourceError](problem)
		if !ok || e.Source != i {
			t.Errorf("problem %d: got %#v", i, problem)
		}
	}
	if !errors.Is(problems[0], fs.ErrNotExist) || !errors.Is(problems[1], fs.ErrNotExist) {
		t.Errorf("got %v, %v: want fs.ErrNotExist", problems[0], problems[1])
	}
	if want := filepath.Join(dir, "missing.pem") + ": no such file or directory"; problems[0].Error() != want {
		t.Errorf("got %q, want %q", problems[0], want)
	}
}

func TestScanReportsDirectoriesItMayNotRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // testing makes it 0700
		t.Fatal(err)
	}
	for _, name := range []string{"closed/a.pem", "open/b.pem"} {
		write(t, filepath.Join(dir, name), "x")
	}
	if err := os.Chmod(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "closed"), 0o755) })
	w := newWatcher(t, Options{Sources: []Source{{Path: dir, Recursive: true}}})
	notRoot(t)
	files, problems := w.Scan(t.Context())
	if got := pathsBelow(dir, files); !slices.Equal(got, []string{"open/b.pem"}) {
		t.Errorf("got files %q, want open/b.pem: one directory must not stop another", got)
	}
	if len(problems) != 1 || !errors.Is(problems[0], fs.ErrPermission) {
		t.Errorf("got %v, want one fs.ErrPermission", problems)
	}
}

// notRoot takes root's power over files from the test: only from its thread.
func notRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setfsuid(0) })
}

func TestScanEndsWithItsContext(t *testing.T) {
	dir := messy(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	w := newWatcher(t, Options{Sources: []Source{{Path: dir, Recursive: true}}})
	_, problems := w.Scan(ctx)
	if len(problems) == 0 || !errors.Is(problems[len(problems)-1], cause) {
		t.Errorf("got %v, want the cause: half a scan must not pass for a whole one", problems)
	}
	if w.found != nil {
		t.Error("half a scan was published")
	}
}

func TestProblemsOfOneSourceAreBounded(t *testing.T) {
	k := walk{source: &source{}}
	for range 1000 {
		k.problem("x", errors.New("no"))
	}
	if got := len(k.problems); got != maxProblems+1 {
		t.Errorf("got %d problems, want %d", got, maxProblems+1)
	}
	if last := k.problems[maxProblems].Error(); !strings.Contains(last, "more") {
		t.Errorf("the last does not say that there are more: %q", last)
	}
}

// BenchmarkScan looks at ten thousand files beside a bare loop that lists the
// directory and stats each of them; ns/op is for one look, and the ratio is the
// bare loop's time over ours: 1 is as fast.
func BenchmarkScan(b *testing.B) {
	const n = 10_000
	dir := b.TempDir()
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("site-%d.pem", i))
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	w, err := New(Options{Sources: []Source{{Path: dir}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var took, bare time.Duration
	for b.Loop() {
		start := time.Now()
		if files, _ := w.Scan(b.Context()); len(files) != n {
			b.Fatalf("got %d files", len(files))
		}
		between := time.Now()
		if err := bareScan(dir); err != nil {
			b.Fatal(err)
		}
		took, bare = took+between.Sub(start), bare+time.Since(between)
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N), "limit-ns/op")
	b.ReportMetric(bare.Seconds()/took.Seconds(), "ratio")
}

func bareScan(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		var stat unix.Stat_t
		if err := unix.Fstatat(int(dir.Fd()), name, &stat, 0); err != nil {
			return err
		}
	}
	return nil
}
