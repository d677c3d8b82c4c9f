package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// File returns where the chain of a certificate goes: to out or, if that is
// empty, to a file in the lab that is named for the certificate. It fails if
// nothing can be written there, so that it need not be issued.
func (d *Dir) File(name, out string) (string, error) {
	if out == "" {
		name = strings.ReplaceAll(name, "*", "_")
		if name == "" || strings.HasPrefix(name, ".") || strings.ContainsRune(name, filepath.Separator) {
			return "", fmt.Errorf("%q cannot be a file's name: say where the certificate is to go", name)
		}
		out = filepath.Join(d.path, certsDir, name+".pem")
	}
	if info, err := os.Stat(out); err == nil && info.IsDir() {
		return "", fmt.Errorf("%s: is a directory, and a file is wanted", out)
	}
	info, err := os.Stat(filepath.Dir(out))
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "write to", Path: filepath.Dir(out), Err: syscall.ENOTDIR}
	}
	return out, err
}

// Write writes a certificate and its key. The chain goes to File and the key
// beside it, with the ending .key; a bundle is both in one file, as HAProxy
// wants it. It returns the paths it wrote.
func (d *Dir) Write(issued *Issued, out string, bundle bool) ([]string, error) {
	out, err := d.File(issued.Certificate.Subject.CommonName, out)
	if err != nil {
		return nil, err
	}
	if bundle {
		both, err := issued.BundlePEM()
		if err != nil {
			return nil, err
		}
		return []string{out}, replaceFile(out, both, keyMode)
	}
	key, err := issued.KeyPEM()
	if err != nil {
		return nil, err
	}
	keyPath := strings.TrimSuffix(out, filepath.Ext(out)) + ".key"
	// The key first: who is told of the new chain finds its key.
	if err := replaceFile(keyPath, key, keyMode); err != nil {
		return nil, err
	}
	return []string{out, keyPath}, replaceFile(out, issued.ChainPEM(), publicMode)
}

// Follow returns a handler that has the responder say what the state file
// says, also when it changes.
func (d *Dir) Follow(r *Responder) http.Handler {
	f := &follower{dir: d, responder: r}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := f.look(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		r.ServeHTTP(w, req)
	})
}

// follower reads the state file again when it is another one.
type follower struct {
	dir       *Dir
	responder *Responder

	mu   sync.Mutex
	seen fs.FileInfo
}

func (f *follower) look() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(filepath.Join(f.dir.path, stateFile))
	if err != nil {
		return err
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		return nil
	}
	state, err := f.dir.State()
	if err != nil {
		return err
	}
	f.responder.SetState(state)
	f.seen = info
	return nil
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return replaceFile(path, append(data, '\n'), publicMode)
}

// replaceFile lets readers see the old file or the new one. It does not
// survive a power cut: a lab need not.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".lab-*") // no server loads a file with a leading dot
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
