package agent

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/writer"
)

// Failure is why a leaf's last round brought no staple, or why a staple file has
// not got the one that came. It is kept on disk, so that `restaple status` can
// say it without asking anybody.
type Failure struct {
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Responder string    `json:"responder"`
	At        time.Time `json:"at"`
	Attempts  int       `json:"attempts"`
	Stated    time.Time `json:"stated,omitzero"` // thisUpdate of the answer by which the leaf is revoked; zero: it is not
	Told      bool      `json:"told,omitempty"`  // hooks know of the revocation
	Quiet     bool      `json:"quiet,omitempty"` // expected, since the leaf is so new

	retryAfter time.Duration // what the responder asked for
	own        bool          // it asked for it in an answer about this leaf
	shared     bool          // it says nothing of this leaf: the responder gives no answers, or is not asked
	unknown    bool          // the responder does not know the leaf, or answers as of before it began
}

// logKey names what was said when this was logged. What was expected of a new
// leaf is something else when it is no longer new.
func (f *Failure) logKey() string {
	if f.Quiet {
		return f.Responder + " " + f.Reason + " yet"
	}
	return f.Responder + " " + f.Reason
}

// saidBefore is what a process that starts knows to have been logged by an
// earlier one.
func (f *Failure) saidBefore() []string {
	if f == nil || f.Reason == string(responder.KindDown) {
		return nil
	}
	return []string{f.logKey()}
}

const (
	// savePause bounds how often failures are written, and saveShare how
	// much of its time the loop spends on it when there are many.
	savePause = 2 * time.Second
	saveShare = 50
	// keepGone is for how long the failure of a leaf is kept that is not
	// looked after: it may be looked after by another process, or tomorrow.
	keepGone = 30 * 24 * time.Hour
)

// memory is the file of failures in the state directory.
type memory struct {
	path  string // "": nothing is kept
	old   map[string]*Failure
	kept  map[[32]byte]bool // leaves that the file says something of, but for their staple files
	dirty bool              // something has changed since it was last handed to be written
	next  time.Time
	work  sync.WaitGroup // of one goroutine that writes, at most
	busy  atomic.Bool
}

func openMemory(o *Options) (*memory, error) {
	m := &memory{kept: make(map[[32]byte]bool)}
	if o.StateDir == "" {
		return m, nil
	}
	m.path = filepath.Join(o.StateDir, "failures.json")
	var err error
	m.old, err = m.read()
	for name := range m.old {
		if b, err := hex.DecodeString(name); err == nil && len(b) == 32 {
			m.kept[[32]byte(b)] = true
		}
	}
	if o.LookOnly || o.DryRun {
		m.path = "" // nothing is to be changed
	}
	return m, err
}

// read returns what the file holds.
func (m *memory) read() (map[string]*Failure, error) {
	b, err := os.ReadFile(m.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := make(map[string]*Failure)
	// A damaged file costs only what it said of the past.
	_ = json.Unmarshal(b, &all)
	maps.DeleteFunc(all, func(_ string, f *Failure) bool { return f == nil })
	return all, nil
}

// recall returns what is known of a leaf from an earlier process, or nil.
func (m *memory) recall(leaf [32]byte) *Failure { return m.old[hex.EncodeToString(leaf[:])] }

// fileName is by what name the file knows a staple file of a leaf.
func fileName(leaf [32]byte, staple string) string { return hex.EncodeToString(leaf[:]) + " " + staple }

// recallFile returns what is known of a staple file, or nil.
func (m *memory) recallFile(leaf [32]byte, staple string) *Failure {
	if len(m.old) == 0 {
		return nil
	}
	return m.old[fileName(leaf, staple)]
}

// saveSoon writes failures that have changed, away from the loop and not too
// often.
func (m *memory) saveSoon(current func() map[string]*Failure) {
	start := time.Now()
	if !m.dirty || m.path == "" || m.busy.Load() || start.Before(m.next) {
		return
	}
	m.dirty = false
	m.busy.Store(true)
	failures := current()
	m.next = start.Add(max(savePause, saveShare*time.Since(start)))
	m.work.Go(func() {
		defer m.busy.Store(false)
		_ = m.write(failures) // written again at the end, where the error is returned
	})
}

// save writes failures for the last time, after what saveSoon is still
// writing: it is newer.
func (m *memory) save(failures map[string]*Failure) error {
	m.work.Wait()
	if m.path == "" || len(failures) == 0 && len(m.old) == 0 {
		return nil
	}
	return m.write(failures)
}

// write puts the failures of this process into the file; a nil one is that all
// is well. What the file says of leaves that this process does not look after
// stays.
func (m *memory) write(failures map[string]*Failure) error {
	all, err := m.read()
	if err != nil {
		return fmt.Errorf("keep failures: %w", err)
	}
	old := time.Now().Add(-keepGone)
	maps.DeleteFunc(all, func(_ string, f *Failure) bool { return f.At.Before(old) })
	for leaf, f := range failures {
		if f == nil {
			delete(all, leaf)
		} else {
			all[leaf] = f
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("keep failures: %w", err)
	}
	if _, err := writer.Replace(m.path, b, writer.Options{Mode: 0o644, UID: -1, GID: -1}); err != nil {
		return fmt.Errorf("keep failures: %w", err)
	}
	return nil
}

// failure is why t has not got the staple that came, or nil.
func (t *target) failure() *Failure {
	switch {
	case t.failed != "":
		return &Failure{Reason: string(NotWritable), Message: t.failed, At: t.failedAt, Attempts: t.failures}
	case t.refusal != "":
		return &Failure{Reason: string(Refused), Message: t.refusal, At: t.failedAt}
	}
	return nil
}

// failures copies what is wrong now, and names with nil the leaves with which
// something was wrong.
func (a *Agent) failures() map[string]*Failure {
	out := make(map[string]*Failure)
	for k, s := range a.subjects {
		for _, t := range s.targets {
			if f := t.failure(); f != nil || t.noted {
				t.noted = true
				out[fileName(k.leaf, t.staple)] = f
			}
		}
		if s.failure == nil && !a.memory.kept[k.leaf] {
			continue
		}
		name := hex.EncodeToString(k.leaf[:])
		if s.failure != nil {
			a.memory.kept[k.leaf] = true
			f := *s.failure
			out[name] = &f
		} else if _, said := out[name]; !said { // by another subject of the leaf
			out[name] = nil
		}
	}
	return out
}
