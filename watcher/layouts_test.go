package watcher

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// volume is a Secret as the kubelet mounts it: each file is a link through
// ..data, and an update turns ..data to a new directory in one rename.
type volume struct {
	t       *testing.T
	dir     string
	version int
}

// update does what AtomicWriter.Write in the kubelet does, in its order.
func (v *volume) update(files map[string]string) {
	v.t.Helper()
	v.version++
	old, _ := os.Readlink(v.dir + "/..data")
	name := fmt.Sprintf("..2026_11_20_22_00_%02d.123456789", v.version)
	for file, content := range files {
		write(v.t, filepath.Join(v.dir, name, file), content)
	}
	link(v.t, name, v.dir+"/..data_tmp")
	rename(v.t, v.dir+"/..data_tmp", v.dir+"/..data")
	for file := range files {
		if _, err := os.Lstat(v.dir + "/" + file); err != nil {
			link(v.t, "..data/"+file, v.dir+"/"+file)
		}
	}
	links, err := os.ReadDir(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, l := range links {
		if _, keep := files[l.Name()]; !keep && l.Name()[0] != '.' {
			remove(v.t, v.dir+"/"+l.Name())
		}
	}
	if old != "" {
		remove(v.t, v.dir+"/"+old)
	}
}

func TestKubernetesVolumeSwaps(t *testing.T) {
	for _, source := range []Source{
		{Path: "tls"},
		{Path: "tls/tls.crt"},
		{Path: "", Recursive: true},
		{Path: "*/tls.crt"},
		{Path: "tls/..data/tls.crt"},
	} {
		t.Run(source.Path, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			v := &volume{t: t, dir: dir + "/tls"}
			v.update(map[string]string{"tls.crt": "1", "tls.key": "k", "ca.crt": "1"})
			cert := dir + "/tls/tls.crt"
			if source.Path == "tls/..data/tls.crt" {
				cert = dir + "/tls/..data/tls.crt"
			}
			source.Path = filepath.Join(dir, source.Path)
			r := start(t, Options{Sources: []Source{source}})
			for i := range 3 { // the second swap is of a directory the first Scan did not see
				before := stamp(t, cert)
				v.update(map[string]string{"tls.crt": fmt.Sprint(i), "tls.key": "k", "ca.crt": "1"})
				r.look(cert)
				if now := stamp(t, cert); now == before {
					t.Errorf("swap %d: the stamp did not change", i)
				}
				if files := r.w.Look(cert); len(files) != 1 {
					t.Errorf("swap %d: got %v", i, files)
				}
			}
		})
	}
}

func TestAFileComesIntoAKubernetesVolume(t *testing.T) {
	dir := t.TempDir()
	v := &volume{t: t, dir: dir}
	v.update(map[string]string{"a.crt": "1"})
	r := start(t, Options{Sources: []Source{{Path: dir}}})
	v.update(map[string]string{"a.crt": "1", "b.crt": "1"})
	r.path(dir + "/b.crt")
	v.update(map[string]string{"b.crt": "1"})
	r.path(dir + "/a.crt")
	if files := r.w.Look(dir + "/a.crt"); files != nil {
		t.Errorf("a.crt is gone, got %v", files)
	}
}

// certbot renews by writing archive/x/cert2.pem and turning the link live/x/cert.pem
// to it.
func TestCertbotRenews(t *testing.T) {
	for _, source := range []Source{
		{Path: "live", Recursive: true},
		{Path: "live/x/cert.pem"},
		{Path: "live/*/cert.pem"},
	} {
		t.Run(source.Path, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cert := dir + "/live/x/cert.pem"
			renew := func(version int) {
				write(t, fmt.Sprintf("%s/archive/x/cert%d.pem", dir, version), fmt.Sprint(version))
				os.Remove(cert)
				link(t, fmt.Sprintf("../../archive/x/cert%d.pem", version), cert)
			}
			renew(1)
			source.Path = filepath.Join(dir, source.Path)
			r := start(t, Options{Sources: []Source{source}})
			renew(2)
			r.path(cert)
			// What the link points to since then is watched as well.
			write(t, dir+"/archive/x/cert2.pem", "in place")
			r.path(cert)
		})
	}
}

func TestADirectoryHasSeveralNames(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a/x.pem", "x")
	link(t, "a", dir+"/b")
	r := start(t, Options{Sources: []Source{{Path: dir + "/a"}, {Path: dir + "/b"}, {Path: dir + "/b/x.pem"}}})
	replace(t, dir+"/a/x.pem", "y")
	others := r.path(dir + "/a/x.pem")
	if !slices.Contains(others, dir+"/b/x.pem") {
		r.path(dir + "/b/x.pem")
	}
}

func TestResolveFollowsLinksAsTheKernelDoes(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/a/b/file", "x")
	link(t, "a", dir+"/toA")
	link(t, dir+"/a/", dir+"/abs")
	link(t, "../toA/b/./file", dir+"/a/file")
	link(t, "b/..", dir+"/a/dots")
	link(t, "loop", dir+"/loop")
	link(t, "missing/x", dir+"/dangling")
	tests := []struct {
		path  string
		steps []string
	}{
		{"a/b/file", nil},
		{"toA/b/file", []string{"toA"}},
		{"abs/b", []string{"abs"}},
		{"a/file", []string{"a/file", "toA"}},
		{"toA/file", []string{"toA", "a/file", "toA"}},
		{"a/dots/b/../file", []string{"a/dots", "a/file", "toA"}},
		{"dangling", []string{"dangling", "missing"}},
		{"a/b/nothing", []string{"a/b/nothing"}},
	}
	for _, test := range tests {
		real, steps, err := resolve("/", dir+"/"+test.path)
		want, wantErr := filepath.EvalSymlinks(dir + "/" + test.path)
		if real != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: got %q, %v; the kernel says %q, %v", test.path, real, err, want, wantErr)
		}
		var got []string
		for _, s := range steps {
			rel, _ := filepath.Rel(dir, filepath.Join(s.dir, s.name))
			got = append(got, rel)
		}
		if !slices.Equal(got, test.steps) {
			t.Errorf("%s: got steps %q, want %q", test.path, got, test.steps)
		}
	}
	if _, steps, err := resolve("/", dir+"/loop"); err == nil || len(steps) != maxLinks+1 {
		t.Errorf("loop: got %d steps, %v", len(steps), err)
	}
}
