package hooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// crash does what a killed process leaves of q: its marks, without a lock.
func crash(q *Queue, promises ...*Promise) {
	for _, p := range promises {
		p.mark.release()
	}
	q.release()
}

func TestAMarkStaysUntilTheHookHasSucceeded(t *testing.T) {
	dir := t.TempDir()
	r := recorder{failures: 1}
	q := newQueue(t, QueueOptions{Action: &r, Dir: dir})
	p, err := q.Promise(placed("a"))
	if err != nil {
		t.Fatal(err)
	}
	wantMarks(t, dir, 1)
	if err := q.Flush(t.Context()); err != nil || r.calls() != 0 {
		t.Errorf("before the change: got %d calls, error %v, want none", r.calls(), err)
	}
	p.Keep(placed("a"))
	if err := q.Flush(t.Context()); err == nil {
		t.Error("got no error")
	}
	wantMarks(t, dir, 1)
	if err := q.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	wantMarks(t, dir, 0)
	if err := q.Flush(t.Context()); err != nil || r.calls() != 2 {
		t.Errorf("nothing pending: got %d calls, error %v", r.calls(), err)
	}
}

func TestAPromiseThatComesToNothingIsForgotten(t *testing.T) {
	dir := t.TempDir()
	var r recorder
	q := newQueue(t, QueueOptions{Action: &r, Dir: dir})
	p, err := q.Promise(placed("a"))
	if err != nil {
		t.Fatal(err)
	}
	p.Keep(nil)
	wantMarks(t, dir, 0)
	p, err = q.Promise([]Change{{Event: Revoked, Staple: "a"}}) // not listened to
	if err != nil {
		t.Fatal(err)
	}
	wantMarks(t, dir, 0)
	p.Keep([]Change{{Event: Revoked, Staple: "a"}})
	if err := q.Flush(t.Context()); err != nil || r.calls() != 0 {
		t.Errorf("got %d calls, error %v", r.calls(), err)
	}
}

func TestMarksOfAKilledProcessAreDelivered(t *testing.T) {
	dir := t.TempDir()
	killed := newQueue(t, QueueOptions{Action: &recorder{}, Dir: dir})
	other := newQueue(t, QueueOptions{Name: "another", Action: &recorder{}, Dir: dir})
	happen(t, killed, placed("a", "b"))
	happen(t, killed, []Change{{Event: Withdrawn, Cert: "b.pem", Staple: "b"}})
	promise, err := killed.Promise(placed("c"))
	if err != nil {
		t.Fatal(err)
	}
	happen(t, other, placed("d"))
	crash(killed, promise)
	crash(other)

	var r recorder
	if err := newQueue(t, QueueOptions{Action: &r, Dir: dir}).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := r.staples(0), "placed:a withdrawn:b placed:c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wantMarks(t, dir, 1) // the other hook's
}

func TestMarksOfALiveProcessAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	live := newQueue(t, QueueOptions{Action: &recorder{}, Dir: dir})
	promise, err := live.Promise(placed("a"))
	if err != nil {
		t.Fatal(err)
	}
	happen(t, live, placed("b"))
	var r recorder
	if err := newQueue(t, QueueOptions{Action: &r, Dir: dir}).Flush(t.Context()); err != nil || r.calls() != 0 {
		t.Errorf("got %d calls, error %v, want none", r.calls(), err)
	}
	wantMarks(t, dir, 2)
	promise.Keep(nil)
}

func TestADaemonTakesOverWhatAOneShotRunLeaves(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		start(t, newQueue(t, QueueOptions{Action: &r, Dir: dir}))
		time.Sleep(time.Hour)
		killed := newQueue(t, QueueOptions{Action: &recorder{}, Dir: dir})
		happen(t, killed, placed("a"))
		crash(killed)
		pass(2 * adoptEvery)
		if got, want := r.staples(0), "placed:a"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	wantMarks(t, dir, 0)
}

// A reload of the configuration makes new queues in the same process.
func TestTheNextQueueTakesOverWhatIsKeptTooLate(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		old := newQueue(t, QueueOptions{Action: &recorder{}, Dir: dir})
		stop := start(t, old)
		promise, err := old.Promise(placed("a"))
		if err != nil {
			t.Fatal(err)
		}
		stop()
		var r recorder
		start(t, newQueue(t, QueueOptions{Action: &r, Dir: dir}))
		promise.Keep(placed("a"))
		pass(2 * adoptEvery)
		if got, want := r.staples(0), "placed:a"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestOfADamagedMarkTheFactRemains(t *testing.T) {
	for name, content := range map[string]string{
		"empty":      "",
		"cut off":    `[{"event":"placed","na`,
		"not a mark": "\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var r recorder
			q := newQueue(t, QueueOptions{Action: &r, Dir: dir})
			if err := os.MkdirAll(q.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(q.dir, "0"+markSuffix), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := q.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := r.staples(0); got != "" {
				t.Errorf("got %q, want a delivery without details", got)
			}
			wantMarks(t, dir, 0)
		})
	}
}

func TestMarksOfAFailingHookDoNotPileUp(t *testing.T) {
	dir := t.TempDir()
	r := recorder{failures: 100}
	q := newQueue(t, QueueOptions{Action: &r, Dir: dir})
	for i := range 100 {
		happen(t, q, placed(fmt.Sprint(i%30)))
		if err := q.Flush(t.Context()); err == nil {
			t.Fatal("got no error")
		}
	}
	if marks, _ := filepath.Glob(filepath.Join(q.dir, "*")); len(marks) > manyMarks {
		t.Errorf("got %d marks, want at most %d", len(marks), manyMarks)
	}
	crash(q)
	var next recorder
	if err := newQueue(t, QueueOptions{Action: &next, Dir: dir}).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(strings.Fields(next.staples(0))); got != 30 {
		t.Errorf("got %d changes, want 30", got)
	}
}

func TestAPromiseWithoutAPlaceIsKeptInMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var r recorder
	q := newQueue(t, QueueOptions{Action: &r, Dir: file})
	p, err := q.Promise(placed("a"))
	if err == nil || !strings.Contains(err.Error(), "hook reload: note that it is due: ") {
		t.Errorf("got error %v", err)
	}
	p.Keep(placed("a"))
	if err := q.Flush(t.Context()); err != nil || r.staples(0) != "placed:a" {
		t.Errorf("got %q, error %v", r.staples(0), err)
	}
}

func TestHookNamesMakeDirectoriesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"reload", "..", ".", "a/b", "../../etc", "Läuft?", " "} {
		q := newQueue(t, QueueOptions{Name: name, Action: &recorder{}, Dir: dir})
		if filepath.Dir(q.dir) != dir {
			t.Errorf("%q: got %s", name, q.dir)
		}
		happen(t, q, placed("a"))
	}
	wantMarks(t, dir, 7)
}

// A nextUpdate at the end of the calendar must not make a hook impossible.
func TestEveryTimeHasAJSONForm(t *testing.T) {
	dir := t.TempDir()
	var r recorder
	q := newQueue(t, QueueOptions{Action: &r, Dir: dir})
	end := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	changes := placed("a")
	changes[0].NextUpdate = end.In(time.FixedZone("east", 3600))
	happen(t, q, changes)
	crash(q)
	if err := newQueue(t, QueueOptions{Action: &r, Dir: dir}).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.told[0][0].NextUpdate; !got.Equal(end) {
		t.Errorf("got %v, want %v", got, end)
	}
}

func FuzzParseMark(f *testing.F) {
	good, err := json.Marshal(placed("a", "b"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, good, good[:len(good)-3], []byte("null"), []byte(`[{"this_update":"0"}]`), []byte("[[[[")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		changes := parseMark(content)
		if changes == nil {
			return
		}
		first, err := json.Marshal(changes)
		if err != nil {
			t.Fatalf("a mark must not hold what cannot be delivered: %v", err)
		}
		second, err := json.Marshal(parseMark(first))
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("got %s, then %s (%v)", first, second, err)
		}
	})
}
