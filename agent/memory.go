package agent

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/restaple/restaple/writer"
)

// Failure is why a leaf's last round brought no staple. It is kept on disk, so
// that `restaple status` can say it without asking anybody.
type Failure struct {
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Responder string    `json:"responder"`
	At        time.Time `json:"at"`
	Attempts  int       `json:"attempts"`
	Told      bool      `json:"told,omitempty"` // hooks know of the revocation

	retryAfter time.Duration // what the responder asked for
}

// savePause bounds how often failures are written.
const savePause = 2 * time.Second

// memory is the file of failures in the state directory.
type memory struct {
	path   string // "": nothing is kept
	old    map[string]*Failure
	dirty  bool
	saved  time.Time
	saving atomic.Bool
}

func openMemory(dir string) (*memory, error) {
	if dir == "" {
		return &memory{}, nil
	}
	m := &memory{path: filepath.Join(dir, "failures.json")}
	b, err := os.ReadFile(m.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// A damaged file costs only what it said of the past.
	_ = json.Unmarshal(b, &m.old)
	return m, nil
}

// recall returns what is known of a leaf from an earlier process, or nil.
func (m *memory) recall(leaf [32]byte) *Failure { return m.old[hex.EncodeToString(leaf[:])] }

// saveSoon writes failures that have changed, away from the loop and not too
// often.
func (m *memory) saveSoon(current func() map[string]*Failure) {
	if !m.dirty || m.path == "" || m.saving.Load() || time.Since(m.saved) < savePause {
		return
	}
	m.dirty, m.saved = false, time.Now()
	m.saving.Store(true)
	failures := current()
	go func() {
		defer m.saving.Store(false)
		_ = m.write(failures) // written again at the end, where the error is returned
	}()
}

// save writes failures if they have changed.
func (m *memory) save(failures map[string]*Failure) error {
	if m.path == "" || len(failures) == 0 && len(m.old) == 0 && !m.dirty {
		return nil
	}
	return m.write(failures)
}

func (m *memory) write(failures map[string]*Failure) error {
	b, err := json.Marshal(failures)
	if err != nil {
		return fmt.Errorf("keep failures: %w", err)
	}
	if _, err := writer.Replace(m.path, b, writer.Options{Mode: 0o644, UID: -1, GID: -1}); err != nil {
		return fmt.Errorf("keep failures: %w", err)
	}
	return nil
}

// failures copies what is wrong now.
func (a *Agent) failures() map[string]*Failure {
	out := make(map[string]*Failure)
	for k, s := range a.subjects {
		if s.failure != nil {
			f := *s.failure
			out[hex.EncodeToString(k.leaf[:])] = &f
		}
	}
	return out
}
