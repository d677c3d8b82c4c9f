package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// CertbotDeploy puts a certificate in its place as certbot does: a new number
// in archive/, and the links in live/ taken away and made anew, one after the
// other.
func CertbotDeploy(s *Stage, c Certificate, issued *lab.Issued) {
	s.T.Helper()
	key, err := issued.KeyPEM()
	if err != nil {
		s.T.Fatal(err)
	}
	live := filepath.Dir(c.Chain)
	archive := strings.Replace(live, "/live/", "/archive/", 1)
	s.Dir(live)
	n := len(s.glob(archive+"/fullchain*.pem")) + 1
	for _, file := range []struct {
		kind string
		data []byte
	}{
		{"cert", issued.CertPEM()},
		{"privkey", key},
		{"chain", issued.Issuer.CertPEM()},
		{"fullchain", issued.ChainPEM()},
	} {
		name := fmt.Sprintf("%s%d.pem", file.kind, n)
		s.Write(filepath.Join(archive, name), file.data, 0o600)
		link := s.Path(filepath.Join(live, file.kind+".pem"))
		if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
			s.T.Fatal(err)
		}
		target, err := filepath.Rel(filepath.Dir(link), s.Path(filepath.Join(archive, name)))
		if err != nil {
			s.T.Fatal(err)
		}
		s.symlink(target, link)
	}
}

// KubernetesDeploy puts a certificate in its place as the kubelet does with a
// Secret: both files change at one moment, when ..data is renamed, and no
// event names them.
func KubernetesDeploy(s *Stage, c Certificate, issued *lab.Issued) {
	s.T.Helper()
	key, err := issued.KeyPEM()
	if err != nil {
		s.T.Fatal(err)
	}
	dir := filepath.Dir(c.Chain)
	old := s.glob(dir + "/..2*")
	stamped := time.Now().Format("..2006_01_02_15_04_05.000000000")
	s.Write(filepath.Join(dir, stamped, filepath.Base(c.Chain)), issued.ChainPEM(), 0o644)
	s.Write(filepath.Join(dir, stamped, filepath.Base(c.Key)), key, 0o600)
	temp, data := s.Path(dir+"/..data_tmp"), s.Path(dir+"/..data")
	s.symlink(stamped, temp)
	if err := os.Rename(temp, data); err != nil {
		s.T.Fatal(err)
	}
	for _, file := range []string{c.Chain, c.Key} {
		if _, err := os.Lstat(s.Path(file)); err != nil {
			s.symlink(filepath.Join("..data", filepath.Base(file)), s.Path(file))
		}
	}
	for _, o := range old {
		if err := os.RemoveAll(o); err != nil {
			s.T.Fatal(err)
		}
	}
}

func (s *Stage) symlink(target, link string) {
	s.T.Helper()
	if err := os.Symlink(target, link); err != nil {
		s.T.Fatal(err)
	}
}

func (s *Stage) glob(pattern string) []string {
	s.T.Helper()
	files, err := filepath.Glob(s.Path(pattern))
	if err != nil {
		s.T.Fatal(err)
	}
	return files
}
