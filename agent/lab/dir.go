package lab

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Dir is a lab on disk: the CAs with their private keys, and the state that
// a serving process follows. Several processes may use it at once.
type Dir struct {
	path string
	ca   *CA
	url  string
}

// DirOptions says what Init makes.
type DirOptions struct {
	URL     string  // of the responder: what the leaves will say
	KeyType KeyType // of the CAs; ECDSA if empty
}

// settings is what stands in the settings file. It is written last by Init:
// a directory that has it is a lab.
type settings struct {
	URL string `json:"url"`
}

const (
	settingsFile = "lab.json"
	stateFile    = "state.json"
	lockFile     = ".lock"
	certsDir     = "certs"

	publicMode = 0o644
	keyMode    = 0o600
	dirMode    = 0o755
)

// Init makes a lab in a directory, which it creates if needed. It refuses to
// replace a lab that is there.
func Init(path string, o DirOptions) (*Dir, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("responder URL %q: must be http://HOST:PORT/", o.URL)
	}
	if _, err := os.Lstat(filepath.Join(path, settingsFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is a lab already", path)
	}
	if err := os.MkdirAll(filepath.Join(path, certsDir), dirMode); err != nil {
		return nil, err
	}
	pki, err := NewPKI(PKIOptions{KeyType: o.KeyType})
	if err != nil {
		return nil, err
	}
	for name, ca := range map[string]*CA{"root": pki.Root, "intermediate": pki.Intermediate} {
		key, err := ca.KeyPEM()
		if err != nil {
			return nil, err
		}
		if err := replaceFile(filepath.Join(path, name+".key"), key, keyMode); err != nil {
			return nil, err
		}
		if err := replaceFile(filepath.Join(path, name+".pem"), ca.CertPEM(), publicMode); err != nil {
			return nil, err
		}
	}
	if err := writeJSON(filepath.Join(path, stateFile), State{Default: Unknown}); err != nil {
		return nil, err
	}
	if err := writeJSON(filepath.Join(path, settingsFile), settings{URL: o.URL}); err != nil {
		return nil, err
	}
	return Open(path)
}

// Open opens the lab in a directory.
func Open(path string) (*Dir, error) {
	var s settings
	data, err := os.ReadFile(filepath.Join(path, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no lab here: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(path, settingsFile), err)
	}
	root, err := readPair(filepath.Join(path, "root"))
	if err != nil {
		return nil, err
	}
	intermediate, err := readPair(filepath.Join(path, "intermediate"))
	if err != nil {
		return nil, err
	}
	return &Dir{path: path, url: s.URL, ca: &CA{
		KeyPair:    intermediate,
		Parent:     &CA{KeyPair: root},
		Responders: []string{s.URL},
		CAIssuers:  []string{strings.TrimRight(s.URL, "/") + issuerPath},
	}}, nil
}

// CA returns the CA that issues the leaves.
func (d *Dir) CA() *CA { return d.ca }

// URL returns the responder's URL as the leaves say it.
func (d *Dir) URL() string { return d.url }

// RootFile returns the path of the root certificate, for clients to trust.
func (d *Dir) RootFile() string { return filepath.Join(d.path, "root.pem") }

// Issue issues a certificate and makes it known to the responder, under the
// first of its names.
func (d *Dir) Issue(o IssueOptions) (*Issued, error) {
	issued, err := d.ca.Issue(o)
	if err != nil {
		return nil, err
	}
	err = d.Update(func(s *State) error {
		s.Records[SerialText(issued.Certificate.SerialNumber)] = Record{
			Name: issued.Certificate.Subject.CommonName, Status: Good, Issued: time.Now().UTC(),
		}
		return nil
	})
	return issued, err
}

// State reads what the responder is to say.
func (d *Dir) State() (State, error) {
	path := filepath.Join(d.path, stateFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return State{}, err
	}
	s, err := ParseState(data)
	if err != nil {
		return State{}, fmt.Errorf("%s: %w", path, err)
	}
	return s.clone(), nil
}

// Update changes what the responder is to say. A serving process sees it with
// the next request. If change returns an error nothing is changed.
func (d *Dir) Update(change func(*State) error) error {
	lock, err := os.OpenFile(filepath.Join(d.path, lockFile), os.O_CREATE|os.O_RDWR, publicMode)
	if err != nil {
		return err
	}
	defer lock.Close() // and so unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	s, err := d.State()
	if err != nil {
		return err
	}
	if err := change(&s); err != nil {
		return err
	}
	return writeJSON(filepath.Join(d.path, stateFile), s)
}

func readPair(base string) (KeyPair, error) {
	certDER, err := readPEM(base+".pem", "CERTIFICATE")
	if err != nil {
		return KeyPair{}, err
	}
	cert, err := x509.ParseCertificate(certDER)
	if err != nil {
		return KeyPair{}, fmt.Errorf("%s.pem: %w", base, err)
	}
	keyDER, err := readPEM(base+".key", "PRIVATE KEY")
	if err != nil {
		return KeyPair{}, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return KeyPair{}, fmt.Errorf("%s.key: %w", base, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return KeyPair{}, fmt.Errorf("%s.key: this key cannot sign", base)
	}
	return KeyPair{Certificate: cert, Key: signer}, nil
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}
