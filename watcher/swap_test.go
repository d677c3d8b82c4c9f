package watcher

import (
	"path/filepath"
	"testing"
)

func TestDirectoriesComeAndGo(t *testing.T) {
	for _, source := range []string{"a/certs", "a/certs/x.pem", "a/certs/*.pem", "a/*/x.pem"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := start(t, Options{Sources: []Source{{Path: filepath.Join(dir, source)}}})
			cert := dir + "/a/certs/x.pem"

			write(t, cert, "x") // and the directories on the way, none of which is there
			r.look(cert)
			replace(t, cert, "y")
			r.look(cert)

			rename(t, dir+"/a/certs", dir+"/a/old")
			r.next()
			write(t, dir+"/a/certs/other.pem", "x")
			write(t, cert, "z")
			r.look(cert)

			remove(t, dir+"/a")
			r.next()
			write(t, cert, "x")
			r.look(cert)
			replace(t, cert, "z")
			r.look(cert)
		})
	}
}

// Two directories change places, as deployments do it: everything below has
// another inode and the old watches are on what is now elsewhere.
func TestADirectoryIsExchanged(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/r1/certs/x.pem", "1")
	write(t, dir+"/r2/certs/x.pem", "2")
	link(t, "r1", dir+"/current")
	r := start(t, Options{Sources: []Source{{Path: dir + "/current/certs"}}})
	link(t, "r2", dir+"/.next")
	rename(t, dir+"/.next", dir+"/current")
	r.all()
	replace(t, dir+"/r2/certs/x.pem", "3")
	r.look(dir + "/current/certs/x.pem")
	write(t, dir+"/r2/certs/y.pem", "3")
	r.look(dir + "/current/certs/y.pem")
}
