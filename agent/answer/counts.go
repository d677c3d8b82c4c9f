package answer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/restaple/restaple/writer"
)

// Counts says what requests came to, since the start. Its JSON form is a public
// interface.
type Counts struct {
	Since     time.Time `json:"since"`
	Hits      int64     `json:"hits"`      // answered from what was there
	Misses    int64     `json:"misses"`    // had to be asked for first, or could not be answered
	Upstream  int64     `json:"upstream"`  // requests to responders
	Passed    int64     `json:"passed"`    // with a nonce or several certificates, handed on
	Unchanged int64     `json:"unchanged"` // of the hits: told that nothing has changed
	Foreign   int64     `json:"foreign"`   // about certificates that are not answered for
	Malformed int64     `json:"malformed"`
	Limited   int64     `json:"limited"` // refused, because there were too many
	Kept      int64     `json:"kept"`    // responses in the state directory, now
}

type counters struct {
	hits, misses, upstream, passed, unchanged, foreign, malformed, limited atomic.Int64
}

// Snapshot returns the counts as they are now.
func (a *Answerer) Snapshot() Counts {
	c := a.counters
	return Counts{
		Since: a.since, Kept: int64(a.keeper.count()),
		Hits: c.hits.Load(), Misses: c.misses.Load(), Upstream: c.upstream.Load(), Passed: c.passed.Load(),
		Unchanged: c.unchanged.Load(), Foreign: c.foreign.Load(), Malformed: c.malformed.Load(), Limited: c.limited.Load(),
	}
}

const (
	countsFile  = "answers.json"
	recordPause = 10 * time.Second
)

// record writes the counts into the state directory now and then, so that
// other processes can show them.
func (a *Answerer) record(ctx context.Context) {
	if a.o.StateDir == "" {
		return
	}
	tick := time.NewTicker(recordPause)
	defer tick.Stop()
	var last Counts
	unwritten := false
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-tick.C:
		}
		now := a.Snapshot()
		if now == last {
			continue
		}
		if err := now.write(a.o.StateDir); err != nil {
			level := slog.LevelWarn
			if unwritten {
				level = slog.LevelDebug
			}
			unwritten = true
			a.o.Log.Log(ctx, level, "counts not written", "err", err)
			continue
		}
		last, unwritten = now, false
	}
}

func (c Counts) write(stateDir string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = writer.Replace(filepath.Join(stateDir, countsFile), b, writer.Options{Mode: 0o644, UID: -1, GID: -1})
	return err
}

// ReadCounts returns what a process with this state directory has last counted;
// ok is false if none has.
func ReadCounts(stateDir string) (c Counts, ok bool, err error) {
	b, err := os.ReadFile(filepath.Join(stateDir, countsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, false, fmt.Errorf("counts of answers: %w", err)
	}
	return c, true, nil
}
