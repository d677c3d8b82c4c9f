package chain

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestIssuerIsFoundInItsPlaces(t *testing.T) {
	p := newPKI(t)
	leaf, ca, fake := p.leaf.pem(), p.intermediate.pem(), p.impostor.pem()
	tests := []struct {
		name  string
		files map[string][]byte
		load  string
		want  string // the file it is found in; "": none, and none beside the leaf's
	}{
		{"same file", map[string][]byte{"x.pem": join(leaf, ca)}, "x.pem", "x.pem"},
		{"same file with key, any order", map[string][]byte{"x.pem": join(p.leaf.keyPEM(t), p.root.pem(), ca, leaf)}, "x.pem", "x.pem"},
		{"path.issuer", map[string][]byte{"x.pem": leaf, "x.pem.issuer": ca}, "x.pem", "x.pem.issuer"},
		{"HAProxy's short name", map[string][]byte{"x.crt": leaf, "x.issuer": ca}, "x.crt", "x.issuer"},
		{"multi-certificate bundle", map[string][]byte{"x.pem.rsa": leaf, "x.pem.rsa.issuer": ca}, "x.pem.rsa", "x.pem.rsa.issuer"},
		{"chain.pem", map[string][]byte{"cert.pem": leaf, "chain.pem": join(p.root.pem(), ca)}, "cert.pem", "chain.pem"},
		{"ca.crt", map[string][]byte{"tls.crt": leaf, "ca.crt": ca}, "tls.crt", "ca.crt"},
		{"DER", map[string][]byte{"x.der": p.leaf.cert.Raw, "x.der.issuer": p.intermediate.cert.Raw}, "x.der", "x.der.issuer"},
		{"issuer directory", map[string][]byte{"x.pem": leaf, "issuers/any.pem": join(p.root.pem(), ca)}, "x.pem", "issuers"},
		{"issuer directory, DER", map[string][]byte{"x.pem": leaf, "issuers/ca.cer": p.intermediate.cert.Raw}, "x.pem", "issuers"},
		{"issuer directory, PKCS#7", map[string][]byte{"x.pem": leaf, "issuers/ca.p7c": pkcs7(p.root.cert.Raw, p.intermediate.cert.Raw)}, "x.pem", "issuers"},
		{"issuer directory, PKCS#7 in PEM", map[string][]byte{"x.pem": leaf, "issuers/ca.p7b": block("PKCS7", pkcs7(p.intermediate.cert.Raw))}, "x.pem", "issuers"},
		{"an impostor nearer than the issuer", map[string][]byte{"x.pem": join(leaf, fake), "x.pem.issuer": fake, "chain.pem": ca}, "x.pem", "chain.pem"},
		{"a broken file nearer than the issuer", map[string][]byte{"x.pem": leaf, "x.pem.issuer": ca[:99], "ca.crt": ca}, "x.pem", "ca.crt"},
		{"nowhere", map[string][]byte{"x.pem": leaf, "y.pem": ca}, "x.pem", ""},
		{"a dot file in the issuer directory", map[string][]byte{"x.pem": leaf, "issuers/.ca.pem": ca}, "x.pem", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range test.files {
				writeFile(t, filepath.Join(dir, name), content)
			}
			l := NewLoader(LoaderOptions{IssuerDirs: []string{filepath.Join(dir, "issuers")}})
			c, err := l.Load(filepath.Join(dir, test.load))
			if err != nil {
				t.Fatal(err)
			}
			if c.Leaf.Name != "www.example.com" {
				t.Errorf("got leaf %s", c.Leaf.Name)
			}
			if got, want := c.Issuer != nil, test.want != ""; got != want || got == (c.IssuerErr != nil) {
				t.Fatalf("issuer found: got %v (%v), want %v", got, c.IssuerErr, want)
			}
			want := filepath.Join(dir, test.want)
			if test.want == "" || test.want == "issuers" {
				want = ""
			}
			if c.IssuerFile != want {
				t.Errorf("issuer found in %q, want %q", c.IssuerFile, want)
			}
			if c.Issuer != nil && !c.Issuer.Certificate.Equal(p.intermediate.cert) {
				t.Error("got another issuer")
			}
		})
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	p := newPKI(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	spoiled := bytes.Clone(p.leaf.cert.Raw)
	spoiled[4+4+5+2] = 0xff // a serial number below zero, which x509 refuses
	for name, content := range map[string][]byte{
		"ca.pem":      join(p.intermediate.pem(), p.root.pem()),
		"key.pem":     p.leaf.keyPEM(t),
		"notes.txt":   []byte("notes"),
		"empty.pem":   nil,
		"half.pem":    join(p.leaf.pem(), p.intermediate.pem()[:200]),
		"huge.pem":    make([]byte, MaxSize+1),
		"broken.pem":  join([]byte("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"), p.intermediate.pem()),
		"spoiled.pem": join(block("CERTIFICATE", spoiled), p.intermediate.pem()),
	} {
		writeFile(t, at(name), content)
	}
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		is   error // nil: none of the package's own
		says string
	}{
		{"ca.pem", ErrNotChain, "no end-entity certificate"},
		{"key.pem", ErrNotChain, "no end-entity certificate"},
		{"notes.txt", ErrNotChain, "no end-entity certificate"},
		{"empty.pem", ErrIncomplete, "empty"},
		{"half.pem", ErrIncomplete, "PEM block 2 has no end"},
		{"huge.pem", ErrNotChain, "larger than"},
		{"fifo", ErrNotChain, "not a regular file"}, // and it does not wait for a writer
		{".", ErrNotChain, "not a regular file"},
		{"missing.pem", fs.ErrNotExist, "no such file"},
		{"broken.pem", nil, "PEM block 1: malformed base64"},
		{"spoiled.pem", nil, "certificate 1: x509: "},
	}
	for _, test := range tests {
		_, err := NewLoader(LoaderOptions{}).Load(at(test.name))
		if err == nil {
			t.Errorf("%s: got no error", test.name)
			continue
		}
		if test.is == nil && (errors.Is(err, ErrNotChain) || errors.Is(err, ErrIncomplete)) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.is)
		}
		if want := "load " + at(test.name) + ": "; !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), dir) != 1 {
			t.Errorf("%s: got %q, want the path once", test.name, err)
		}
		if !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %q, want it to say %q", test.name, err, test.says)
		}
	}
}

func TestIssuerErrTellsWhatWasLookedAt(t *testing.T) {
	p := newPKI(t)
	dir := t.TempDir()
	writeFile(t, dir+"/x.pem", p.leaf.pem())
	writeFile(t, dir+"/ca.crt", p.intermediate.pem()[:99])
	c, err := NewLoader(LoaderOptions{}).Load(dir + "/x.pem")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CN=intermediate", "x.pem", "ca.crt", "incomplete"} {
		if !strings.Contains(c.IssuerErr.Error(), want) {
			t.Errorf("got %q, want %q in it", c.IssuerErr, want)
		}
	}
	writeFile(t, dir+"/chain.pem", p.impostor.pem())
	if c, err = NewLoader(LoaderOptions{}).Load(dir + "/x.pem"); err != nil {
		t.Fatal(err)
	}
	if want := "in chain.pem did not sign it"; !strings.Contains(c.IssuerErr.Error(), want) {
		t.Errorf("got %q, want %q in it", c.IssuerErr, want)
	}
}

func TestAnExpiredIssuerYieldsToAValidTwinFartherAway(t *testing.T) {
	p := newPKI(t)
	expired := issueKey(t, p.root, "intermediate", p.intermediate.key, func(c *x509.Certificate) {
		isCA(c)
		c.NotAfter = now.Add(-time.Minute)
	})
	dir := t.TempDir()
	writeFile(t, dir+"/x.pem", join(p.leaf.pem(), expired.pem()))
	l := NewLoader(LoaderOptions{})
	c, err := l.Load(dir + "/x.pem")
	if err != nil || c.Issuer == nil || !c.Issuer.Certificate.Equal(expired.cert) {
		t.Fatalf("alone: got %+v, %v; want the expired one", c, err)
	}
	writeFile(t, dir+"/chain.pem", p.intermediate.pem())
	c, err = l.Load(dir + "/x.pem")
	if err != nil || !c.Issuer.Certificate.Equal(p.intermediate.cert) {
		t.Errorf("got %v, want the valid one", err)
	}
}

func TestIssuersAndURLsAreShared(t *testing.T) {
	p := newPKI(t)
	dir := t.TempDir()
	l := NewLoader(LoaderOptions{})
	var chains [8]*Chain
	var wg sync.WaitGroup
	for i := range chains {
		path := fmt.Sprintf("%s/%d.pem", dir, i)
		leaf := issue(t, p.intermediate, "leaf", func(c *x509.Certificate) { c.OCSPServer = []string{"http://ocsp.example/"} })
		writeFile(t, path, join(leaf.pem(), p.intermediate.pem()))
		wg.Go(func() {
			c, err := l.Load(path)
			if err != nil {
				t.Error(err)
			}
			chains[i] = c
		})
	}
	wg.Wait()
	for _, c := range chains[1:] {
		if c.Issuer != chains[0].Issuer {
			t.Error("equal issuers are not one")
		}
		if &c.Leaf.Responders[0] != &chains[0].Leaf.Responders[0] {
			t.Error("equal URL lists are not one")
		}
	}
	if got := len(l.shared.by); got != 1 {
		t.Errorf("got %d issuers kept, want 1", got)
	}
	clear(chains[:])
	// A cleanup runs some time after the collection.
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		runtime.GC()
		l.shared.mu.Lock()
		left := len(l.shared.by)
		l.shared.mu.Unlock()
		if left == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Error("an issuer that no chain has any more is still kept")
}

func TestURLsOfItsOwnInEachLeafFillNoMemory(t *testing.T) {
	var known texts
	for i := range 2 * maxTexts {
		leaf := &Leaf{Responders: []string{fmt.Sprintf("http://%d.example/", i)}}
		known.share(leaf)
		if want := fmt.Sprintf("http://%d.example/", i); leaf.Responders[0] != want {
			t.Fatalf("got %s, want %s", leaf.Responders[0], want)
		}
	}
	if len(known.lists) > maxTexts {
		t.Errorf("got %d lists", len(known.lists))
	}
}

func TestIssuerDirectoriesAreLookedAtAgain(t *testing.T) {
	p := newPKI(t)
	dir := t.TempDir()
	issuers := dir + "/issuers"
	writeFile(t, dir+"/x.pem", p.leaf.pem())
	l := NewLoader(LoaderOptions{IssuerDirs: []string{issuers}})
	found := func() bool {
		t.Helper()
		c, err := l.Load(dir + "/x.pem")
		if err != nil {
			t.Fatal(err)
		}
		return c.Issuer != nil
	}
	if found() {
		t.Fatal("found an issuer where there is no directory")
	}
	if problems := l.Problems(); len(problems) != 1 || !errors.Is(problems[0], fs.ErrNotExist) {
		t.Errorf("missing directory: got %v", problems)
	}
	writeFile(t, issuers+"/other.pem", p.root.pem())
	if found() {
		t.Fatal("found an issuer that is not there")
	}
	if problems := l.Problems(); len(problems) != 0 {
		t.Errorf("got %v although the directory has come", problems)
	}
	old := now.Add(-time.Hour) // or the next change might be in the same tick of the clock
	if err := os.Chtimes(issuers, old, old); err != nil {
		t.Fatal(err)
	}
	found()
	writeFile(t, issuers+"/ca.pem", p.intermediate.pem()[:50])
	if found() {
		t.Fatal("found an issuer in half a file")
	}
	if problems := l.Problems(); len(problems) != 1 || !errors.Is(problems[0], ErrIncomplete) {
		t.Errorf("half a file: got %v", problems)
	}
	writeFile(t, issuers+"/ca.pem", p.intermediate.pem()) // in place: the directory's time stays
	l.Refresh()
	if !found() {
		t.Error("not found after Refresh")
	}
	if err := os.Remove(issuers + "/ca.pem"); err != nil {
		t.Fatal(err)
	}
	l.Refresh()
	if found() {
		t.Error("still found after its file was removed")
	}
}

func TestAnIssuerFileMayBeNamedInsteadOfADirectory(t *testing.T) {
	p := newPKI(t)
	dir := t.TempDir()
	writeFile(t, dir+"/x.pem", p.leaf.pem())
	writeFile(t, dir+"/bundle", join(p.root.pem(), p.intermediate.pem()))
	c, err := NewLoader(LoaderOptions{IssuerDirs: []string{dir + "/bundle"}}).Load(dir + "/x.pem")
	if err != nil || c.Issuer == nil {
		t.Errorf("got %+v, %v", c, err)
	}
}

// A private key is read into memory with the file, and must not stay there.
func TestBuffersAreClearedAfterUse(t *testing.T) {
	p := newPKI(t)
	path := t.TempDir() + "/x.pem"
	writeFile(t, path, join(p.leaf.pem(), p.leaf.keyPEM(t)))
	var b buffers
	var seen []byte
	_, err := b.read(path, func(in []byte) ([][]byte, error) {
		seen = in
		if !strings.Contains(string(in), "PRIVATE KEY") {
			t.Error("the test does not see the buffer")
		}
		return split(in)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range seen {
		if c != 0 {
			t.Fatal("the buffer still holds what was read")
		}
	}
}

func TestAFileThatGrowsWhileItIsReadIsIncomplete(t *testing.T) {
	const path = "/proc/self/status" // says it is empty, and is not
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Skipf("%s is not what it is on Linux", path)
	}
	if _, err := NewLoader(LoaderOptions{}).Load(path); !errors.Is(err, ErrIncomplete) {
		t.Errorf("got %v, want ErrIncomplete", err)
	}
}

func TestSymbolicLinksAreFollowed(t *testing.T) {
	p := newPKI(t)
	dir := t.TempDir()
	writeFile(t, dir+"/archive/cert1.pem", p.leaf.pem())
	writeFile(t, dir+"/archive/chain1.pem", p.intermediate.pem())
	for _, name := range []string{"cert", "chain"} {
		if err := os.MkdirAll(dir+"/live", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../archive/"+name+"1.pem", dir+"/live/"+name+".pem"); err != nil {
			t.Fatal(err)
		}
	}
	// chain.pem is beside the name, not beside what it links to.
	c, err := NewLoader(LoaderOptions{}).Load(dir + "/live/cert.pem")
	if err != nil || c.Issuer == nil {
		t.Errorf("got %+v, %v", c, err)
	}
}

func BenchmarkLoad(b *testing.B) {
	p := newPKI(b)
	path := b.TempDir() + "/x.pem"
	writeFile(b, path, join(p.leaf.pem(), p.leaf.keyPEM(b), p.intermediate.pem(), p.root.pem()))
	l := NewLoader(LoaderOptions{})
	keep, err := l.Load(path) // as the agent holds a chain with that issuer
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Load(path); err != nil {
			b.Fatal(err)
		}
	}
	runtime.KeepAlive(keep)
}

// BenchmarkLoadBare is what no Load can do without: to parse the leaf and to
// verify its signature.
func BenchmarkLoadBare(b *testing.B) {
	p := newPKI(b)
	b.ReportAllocs()
	for b.Loop() {
		leaf, err := x509.ParseCertificate(p.leaf.cert.Raw)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.intermediate.cert.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
			b.Fatal(err)
		}
	}
}
