package agent

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

// inTheWay has a directory where a file is to be written, and returns its path.
func (b *bubble) inTheWay(name string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func TestAStapleThatCouldNotBeWrittenIsNotAskedForAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(8*time.Hour, 0))
		inTheWay := b.inTheWay("site.pem.ocsp")
		b.run(nil)
		b.pass(3 * time.Hour)
		if got := b.states(); got[NotWritable] != 1 || b.requests() != 1 {
			t.Fatalf("states: %v after %d requests, want not-writable after one", got, b.requests())
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		b.pass(slowestRewrite) // nobody says that it has gone
		if got := b.states(); got[Fresh] != 1 || b.requests() != 1 {
			t.Errorf("states: %v after %d requests, want fresh after one", got, b.requests())
		}
		if n := b.agent.unwritten; n != 0 {
			t.Errorf("%d staples are kept, want none", n)
		}
	})
}

func TestAStapleThatIsKeptIsRenewedInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(8*time.Hour, 0))
		inTheWay := b.inTheWay("site.pem.ocsp")
		b.run(nil)
		b.pass(47 * time.Hour)
		// From two fifths of the eight hours to their half.
		if n := b.requests(); n < 1+47/4 || n > 1+47*10/32 {
			t.Errorf("%d requests in 47 hours, want one each four hours or a little less", n)
		}
		b.behave("a.example", refuse(503, 0))
		b.pass(9 * time.Hour)
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		b.pass(slowestRewrite)
		if _, err := os.Stat(inTheWay); !os.IsNotExist(err) || b.agent.unwritten != 0 {
			t.Errorf("a staple that has ended was placed, or is kept: %v", err)
		}
	})
}

func TestARevokedStapleIsNotKeptToBeWritten(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate, Validity: 8 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		b.issue("site.pem", a0)
		b.behave("a.example", answers(r))
		inTheWay := b.inTheWay("site.pem.ocsp")
		b.run(nil)
		b.pass(time.Minute)
		if err := r.SetFault("revoked"); err != nil {
			t.Fatal(err)
		}
		b.pass(5 * time.Hour)
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		b.pass(time.Hour)
		if got := b.states(); got[Revoked] != 1 {
			t.Errorf("states: %v, want revoked", got)
		}
		if _, err := os.Stat(inTheWay); !os.IsNotExist(err) {
			t.Errorf("the staple from before the revocation was placed: %v", err)
		}
	})
}

// TestAFullDiskIsSaidOnce hands results of the placer to an agent that does not
// run: disks cannot be filled in a test of nobody's rights.
func TestAFullDiskIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		const n = 5
		for i := range n {
			b.issue(fmt.Sprint(i, ".pem"), a0)
		}
		b.behave("a.example", b.good(8*time.Hour, 0))
		b.run(nil)
		b.pass(time.Minute)
		good := &staple.Staple{Status: staple.Good, ThisUpdate: time.Now(), Expires: time.Now().Add(8 * time.Hour)}
		result := func(err error) (done []placed) {
			for _, x := range b.agent.targets {
				p := placement{key: x.key, path: x.staple, stamp: x.stamp, staple: good}
				done = append(done, placed{placement: p, disk: x.disk.stamp, changed: err == nil, err: err})
			}
			b.agent.placings += len(done)
			slices.SortFunc(done, func(x, y placed) int { return strings.Compare(x.path, y.path) })
			return done
		}
		full := func(path string) error {
			return fmt.Errorf("replace: %w", &fs.PathError{Op: "write", Path: path, Err: syscall.ENOSPC})
		}
		said := func() int { return len(b.log.from(slog.LevelInfo, "")) }
		b.agent.onLoop(t.Context(), func() {
			b.log.clear()
			for range 3 {
				done := result(nil)
				for i := range done {
					done[i].changed, done[i].err = false, full(done[i].path)
				}
				b.agent.onPlaced(t.Context(), done)
			}
			if errs := b.log.from(slog.LevelError, ""); len(errs) != 1 || said() != 1 {
				t.Errorf("full: said %d errors and %d lines, want one", len(errs), said())
			}
			if b.agent.unwritten != n {
				t.Errorf("%d staples are kept, want %d", b.agent.unwritten, n)
			}
			b.log.clear()
			some := result(nil)
			some[1].changed, some[1].err = false, full(some[1].path)
			b.agent.onPlaced(t.Context(), some)
			if said() != n-1 { // that they were placed
				t.Errorf("room for some only: said %d lines, want %d", said(), n-1)
			}
			b.log.clear()
			one := result(nil)[:1]
			b.agent.placings -= n - 1
			b.agent.onPlaced(t.Context(), one)
			if again := b.log.from(slog.LevelInfo, "staple files in this directory can be changed again"); len(again) != 1 || said() != 2 {
				t.Errorf("room: said %d lines, want that there is room once, and one staple", said())
			}
			if x := b.agent.targets[some[1].key]; !x.writeAt.IsZero() || x.sub.At.After(time.Now()) {
				t.Errorf("the one that waits is written at %v, want at once", x.writeAt)
			}
			b.log.clear()
			for _, at := range []time.Duration{0, -blockedFor} { // all that failed was put right by somebody else
				b.agent.blocked[b.dir] = blockage{syscall.ENOSPC, time.Now().Add(at)}
				again := result(nil)[:1]
				b.agent.placings -= n - 1
				again[0].changed, again[0].err = false, full(again[0].path)
				b.agent.targets[again[0].key].failed = ""
				b.agent.onPlaced(t.Context(), again)
			}
			if errs := b.log.from(slog.LevelError, ""); len(errs) != 1 {
				t.Errorf("full long after it was: said %d errors, want one", len(errs))
			}
		})
	})
}

func TestOnlySoManyStaplesAreKept(t *testing.T) {
	a := &Agent{unwritten: maxUnwritten - 1}
	one, other := new(target), new(target)
	for _, which := range []string{"the last", "a newer one of it"} {
		if !a.hold(one, new(staple.Staple)) {
			t.Errorf("no room for %s", which)
		}
	}
	if a.hold(other, new(staple.Staple)) || other.unwritten != nil {
		t.Error("more are kept than there is room for")
	}
	a.hold(other, nil)
	if a.hold(one, nil); !a.hold(other, new(staple.Staple)) || a.unwritten != maxUnwritten {
		t.Error("there is no room where one has gone")
	}
}
