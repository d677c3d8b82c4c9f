package answer

import (
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/restaple/restaple/watcher/chain"
	"github.com/restaple/restaple/writer"
)

// What is kept has one file for each response:
//
//	STATE/answers/NAMEHASH-KEYHASH/SERIAL.sha1.ocsp
//
// in hexadecimal digits, so that a file's name says all that has to be known
// to verify what is in it.
const answersDir = "answers"

// keptKey names a response: what a CertID says.
type keptKey struct {
	issuer issuerKey
	serial string // content octets
	hash   crypto.Hash
}

func (k keptKey) path(stateDir string) string {
	ending := ".sha1.ocsp"
	if k.hash == crypto.SHA256 {
		ending = ".sha256.ocsp"
	}
	dir := hex.EncodeToString(k.issuer[:20]) + "-" + hex.EncodeToString(k.issuer[20:])
	return filepath.Join(stateDir, answersDir, dir, hex.EncodeToString([]byte(k.serial))+ending)
}

// keyOfFile is the reverse of path.
func keyOfFile(path string) (k keptKey, ok bool) {
	dir, base := filepath.Split(path)
	name, key, _ := strings.Cut(filepath.Base(dir), "-")
	issuer, err := hex.DecodeString(name + key)
	if err != nil || len(name) != len(k.issuer) || len(issuer) != len(k.issuer) {
		return k, false
	}
	copy(k.issuer[:], issuer)
	digits, ending, _ := strings.Cut(base, ".")
	switch ending {
	case "sha1.ocsp":
		k.hash = crypto.SHA1
	case "sha256.ocsp":
		k.hash = crypto.SHA256
	default:
		return k, false
	}
	serial, err := hex.DecodeString(digits)
	k.serial = string(serial)
	return k, err == nil && minimal(serial)
}

// keptFiles lists what is kept below a state directory.
func keptFiles(stateDir string) ([]string, error) {
	dirs, err := os.ReadDir(filepath.Join(stateDir, answersDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var files []string
	for _, d := range dirs {
		entries, e := os.ReadDir(filepath.Join(stateDir, answersDir, d.Name()))
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		for _, f := range entries {
			path := filepath.Join(stateDir, answersDir, d.Name(), f.Name())
			if _, ok := keyOfFile(path); ok {
				files = append(files, path)
			}
		}
	}
	return files, err
}

// Purge takes away what is kept about a certificate, under both hashes. Without
// an issuer it is that serial of all of them. It returns how many responses
// there were. Whoever answers finds them gone and asks anew.
func Purge(stateDir string, issuer *chain.Issuer, serial string) (int, error) {
	files, err := keptFiles(stateDir)
	if err != nil {
		return 0, fmt.Errorf("kept answers: %w", err)
	}
	n := 0
	for _, path := range files {
		k, _ := keyOfFile(path)
		if k.serial != serial || issuer != nil && k.issuer != keyOf(issuer) {
			continue
		}
		if _, err := writer.Remove(path); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
