package lab

import (
	"crypto"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ManyOptions says what IssueMany makes.
type ManyOptions struct {
	IssueOptions        // of each; the first name gets a number in front
	Count        int    // how many
	SharedKey    bool   // one key for all, in a file of its own: for passes over many files nobody needs more
	Dir          string // where the files go, made if needed; "": the lab's own place
	Bundle       bool   // chain and key in one file
}

// Many is what IssueMany has made.
type Many struct {
	Dir         string
	First, Last string // names
}

// IssueMany issues many certificates, writes them, and makes them known to the
// responder all at once. With a shared key it is a matter of seconds for ten
// thousand.
func (d *Dir) IssueMany(o ManyOptions) (*Many, error) {
	m := &Many{Dir: o.Dir}
	if m.Dir == "" {
		m.Dir = filepath.Join(d.path, certsDir)
	}
	names, err := numbered(o.Names, o.Count)
	if err != nil {
		return nil, err
	}
	m.First, m.Last = names[0], names[len(names)-1]
	if err := os.MkdirAll(m.Dir, dirMode); err != nil {
		return nil, err
	}
	if o.SharedKey {
		if o.Key, err = newSharedKey(m.Dir, o); err != nil {
			return nil, err
		}
	}
	serials := make([]*big.Int, o.Count)
	for i := range serials {
		if serials[i], err = newSerial(); err != nil {
			return nil, err
		}
	}
	if _, err := d.ca.Issue(o.IssueOptions); err != nil {
		return nil, err // as each of them would fail, after it is on record
	}
	// Before the files, or whoever watches them would ask about what the
	// responder does not know.
	err = d.Update(func(s *State) error {
		now := time.Now().UTC()
		for i, serial := range serials {
			s.Records[SerialText(serial)] = Record{Name: names[i], Status: Good, Issued: now}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, onAllCores(o.Count, func(i int) error {
		one := o.IssueOptions
		one.Names, one.CommonName, one.Serial = append([]string{names[i]}, o.Names[1:]...), "", serials[i]
		issued, err := d.ca.Issue(one)
		if err != nil {
			return err
		}
		path := filepath.Join(m.Dir, names[i]+".pem")
		if o.SharedKey && !o.Bundle {
			return replaceFile(path, issued.ChainPEM(), publicMode)
		}
		_, err = d.Write(issued, path, o.Bundle)
		return err
	})
}

// newSharedKey makes a key, and a file for it unless it stands in each bundle.
func newSharedKey(dir string, o ManyOptions) (crypto.Signer, error) {
	key, err := NewKey(o.KeyType)
	if err != nil || o.Bundle {
		return key, err
	}
	text, err := KeyPair{Key: key}.KeyPEM()
	if err != nil {
		return nil, err
	}
	return key, replaceFile(filepath.Join(dir, o.Names[0]+".key"), text, keyMode)
}

// numbered puts a number in front of the first name, as wide as the last one.
func numbered(names []string, count int) ([]string, error) {
	switch {
	case count < 1:
		return nil, fmt.Errorf("%d certificates: must be at least one", count)
	case len(names) == 0 || names[0] == "":
		return nil, errors.New("many certificates need a name to be numbered")
	}
	name := names[0]
	if _, err := netip.ParseAddr(name); err == nil || strings.ContainsAny(name, "*/") || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("%q: the first name gets a number in front, which this one cannot have", name)
	}
	width := len(fmt.Sprint(count))
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("%0*d.%s", width, i+1, name)
	}
	return all, nil
}

// onAllCores does n things, and ends early with the first error.
func onAllCores(n int, do func(i int) error) error {
	var next atomic.Int64
	var workers sync.WaitGroup
	failures := make(chan error, runtime.GOMAXPROCS(0))
	for range cap(failures) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					next.Store(int64(n))
					failures <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(failures)
	return <-failures // nil if there is none
}
