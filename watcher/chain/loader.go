package chain

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// LoaderOptions say where a Loader looks besides the chain's own file.
type LoaderOptions struct {
	// IssuerDirs are directories with certificates of issuers, one or more
	// to a file: PEM, DER or PKCS#7. A file may be named as well.
	IssuerDirs []string
}

// Loader loads chains from files and shares between them what they have in
// common: the issuers, and the URLs in the leaves. It may be used by many
// goroutines at once.
type Loader struct {
	buffers buffers
	shared  sharedIssuers
	texts   texts
	dirs    issuerDirs
}

// NewLoader returns a Loader that has read nothing yet.
func NewLoader(o LoaderOptions) *Loader {
	l := &Loader{}
	l.dirs.paths, l.dirs.read = o.IssuerDirs, l.issuersIn
	return l
}

// Load reads the chain at path. Where the file does not hold the issuer, it is
// looked for in path.issuer (HAProxy's name for it, with and without the
// certificate's extension), in chain.pem and ca.crt beside path and in the
// issuer directories. That none was found is no error: Issuer is nil then, and
// IssuerErr says what was looked at.
//
// The error is ErrNotChain if the file has no end-entity certificate in it and
// ErrIncomplete if it seems to be half-written.
func (l *Loader) Load(path string) (*Chain, error) {
	c, err := l.load(path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, pathless(err))
	}
	return c, nil
}

func (l *Loader) load(path string) (*Chain, error) {
	ders, broken := l.buffers.read(path, split)
	if errors.Is(broken, ErrIncomplete) || len(ders) == 0 {
		return nil, broken
	}
	sketches, err := sketchAll(ders)
	broken = errors.Join(broken, err)
	cert, err := pickLeaf(sketches)
	if err != nil {
		if errors.Is(err, ErrNotChain) && broken != nil {
			return nil, broken // perhaps just that one was the leaf
		}
		return nil, err
	}
	leaf, err := NewLeaf(cert)
	if err != nil {
		return nil, err
	}
	l.texts.share(leaf)
	c := &Chain{Leaf: leaf}
	s := l.findIssuer(path, cert, sketches)
	if c.Issuer, c.IssuerFile = s.found, s.file; s.found == nil {
		c.IssuerErr = s.failure()
	}
	return c, nil
}

// Refresh makes the next Load that needs the issuer directories look at their
// files again. A file that is new in them is found without it, one that was
// written anew in place is not.
func (l *Loader) Refresh() { l.dirs.forget() }

// Problems returns what was wrong with the issuer directories when they were
// last looked at. It is no reason to stop: the issuer may well be elsewhere.
func (l *Loader) Problems() []error { return l.dirs.problemsNow() }

// findIssuer goes from the nearest place to the farthest and stops at the first
// issuer that is valid now. An expired one signs no less, so it is taken if
// there is no other.
func (l *Loader) findIssuer(path string, leaf *x509.Certificate, own []*sketch) *search {
	s := &search{leaf: leaf, now: time.Now(), shared: &l.shared}
	if s.inFile(path, own) {
		return s
	}
	for _, companion := range companions(path) {
		sketches, err := l.issuersIn(companion)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		s.note(filepath.Base(companion), err)
		if s.inFile(companion, sketches) {
			return s
		}
	}
	if len(l.dirs.paths) > 0 {
		s.in("the issuer directories", l.dirs.lookup(leaf.RawIssuer))
	}
	return s
}

// companions names the files that may hold the issuer of the chain at path.
func companions(path string) []string {
	dir, base := filepath.Split(path)
	names := []string{path + ".issuer"}
	if ext := filepath.Ext(base); ext != "" && ext != base {
		names = append(names, strings.TrimSuffix(path, ext)+".issuer")
	}
	for _, name := range []string{"chain.pem", "ca.crt"} {
		if name != base {
			names = append(names, dir+name)
		}
	}
	return names
}

func (l *Loader) issuersIn(path string) ([]*sketch, error) {
	ders, err := l.buffers.read(path, splitIssuers)
	if len(ders) == 0 {
		return nil, err
	}
	sketches, broken := sketchAll(ders)
	return sketches, errors.Join(err, broken)
}

func sketchAll(ders [][]byte) (sketches []*sketch, err error) {
	for i, der := range ders {
		s, bad := readSketch(der)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("certificate %d: %w", i+1, bad))
			continue
		}
		sketches = append(sketches, s)
	}
	return sketches, err
}

// pathless takes the path off an error that will be told with it anyway.
func pathless(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}

// LeafCertificate reads the whole certificate of the leaf in the file at path,
// for the few who need more of it than Leaf has. The errors are those of Load.
func LeafCertificate(path string) (*x509.Certificate, error) {
	var l Loader
	ders, err := l.buffers.read(path, split)
	if len(ders) == 0 {
		return nil, fmt.Errorf("load %s: %w", path, pathless(err))
	}
	sketches, _ := sketchAll(ders) // what is broken is not the leaf that Load found
	cert, err := pickLeaf(sketches)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, pathless(err))
	}
	return cert, nil
}
