package answer

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restaple/restaple/agent/staple"
)

func TestAKeeperHasItsLimits(t *testing.T) {
	k, s := newTestKeeper(t)
	k.limit = 100
	for i := range 100 {
		if e, _ := k.entry(s.wanted(fmt.Sprint("\x01", i)), noon.Add(time.Duration(i)*time.Second)); e == nil {
			t.Fatalf("entry %d: no room", i)
		}
	}
	if e, _ := k.entry(s.wanted("\x02"), noon.Add(50*time.Second)); e != nil {
		t.Error("something gave way that was asked for within a minute")
	}
	if e, _ := k.entry(s.wanted(fmt.Sprint("\x01", 5)), noon.Add(50*time.Second)); e == nil {
		t.Error("what is there is not found in a crowd")
	}
	if e, _ := k.entry(s.wanted("\x03"), noon.Add(time.Hour)); e == nil || len(k.entries) != 100 {
		t.Errorf("got %v, %d entries, want the oldest to give way", e, len(k.entries))
	}
	for i := range maxFlights + 10 {
		e := k.add(s.wanted(fmt.Sprint("\x04", i)))
		k.fly(e, false, fmt.Sprintf("192.0.2.%d:1", i%200), noon.Add(2*time.Hour))
	}
	if k.flights != maxFlights {
		t.Errorf("got %d requests on their way, want %d", k.flights, maxFlights)
	}
}

// response is one of which nothing but its dates counts.
func response(age, left time.Duration) *page {
	return &page{Staple: &staple.Staple{
		Status: staple.Good, ThisUpdate: wall().Add(-age), NextUpdate: wall().Add(left), Expires: wall().Add(left),
	}, der: []byte("response")}
}

// wants has a client ask at a time, and the CA answer with p or, without, that
// it does not know the certificate.
func (k *keeper) wants(w wanted, now time.Time, p *page) (*entry, *flight) {
	e, admitted := k.entry(w, now)
	if e == nil {
		return nil, nil
	}
	f, _, _ := k.fly(e, admitted, w.remote, now)
	switch {
	case f == nil:
	case p == nil:
		k.land(f, result{err: errNobody})
	default:
		k.land(f, result{page: p})
	}
	return e, f
}

func TestMadeUpSerialsDoNotMakeAKeeperForget(t *testing.T) {
	k, s := newTestKeeper(t)
	k.limit, k.keepLimit = 100, 75
	now := wall()
	var kept []*entry
	for i := range 50 {
		e, _ := k.wants(s.wanted(fmt.Sprint("\x01", i)), now, response(time.Hour, day))
		kept = append(kept, e)
	}
	// Servers ask once an hour, the flood comes in between.
	for i := range 2000 {
		now = now.Add(time.Second)
		k.wants(s.wanted(fmt.Sprint("\x02", i)), now, nil)
	}
	for i, e := range kept {
		if k.entries[e.key] != e {
			t.Fatalf("response %d is forgotten", i)
		}
		if _, err := os.Stat(e.path); err != nil {
			t.Errorf("response %d: %v", i, err)
		}
	}
	if len(k.trash) > 0 || len(k.entries) != 100 || k.kept != 50 {
		t.Errorf("got %d entries, %d responses, %q to remove", len(k.entries), k.kept, k.trash)
	}
	if e, _ := k.wants(s.wanted("\x03"), now.Add(2*time.Minute), response(time.Hour, day)); e == nil || e.this.IsZero() {
		t.Error("after the flood: a new response is not kept")
	}
}

func TestACAThatVouchesForEverySerialDoesNotFillAKeeper(t *testing.T) {
	k, s := newTestKeeper(t)
	k.limit, k.keepLimit = 100, 75
	now := wall()
	for i := range 300 {
		now = now.Add(time.Second)
		w := s.wanted(fmt.Sprint("\x01", i))
		_, f := k.wants(w, now, response(time.Hour, 10*day))
		if f == nil || f.page == nil {
			t.Fatalf("client %d got no answer", i)
		}
		if i < k.keepLimit {
			continue // it is in a file
		}
		if p, _ := k.get(t.Context(), w, wall()); p != f.page {
			t.Fatalf("client %d asks again: got %v, want what it got before", i, p)
		}
	}
	if k.kept != 75 || len(k.entries) != 100 || len(k.trash) > 0 {
		t.Errorf("got %d responses, %d entries, %q to remove, want 75, 100 and none", k.kept, len(k.entries), k.trash)
	}
}

// A kept file that holds no answer goes, whenever that is found out.
func TestAFileWithoutAnAnswerGoes(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(*keeper, wanted) // the file is taken in
		after  func(*keeper, wanted)
		nobody bool // is answered for
		age    time.Duration
		stays  bool
	}{
		{name: "nobody has asked"},
		{name: "somebody has asked, and it was damaged then", before: func(k *keeper, w wanted) { k.wants(w, wall(), nil) }},
		{
			name:   "it is being asked for, and nobody answers",
			before: func(k *keeper, w wanted) { e, _ := k.entry(w, wall()); k.fly(e, true, w.remote, wall()) },
			after:  func(k *keeper, w wanted) { k.land(k.entries[w.key].flight, result{err: errNobody}) },
		},
		{
			name:   "it is being asked for, and there is an answer",
			before: func(k *keeper, w wanted) { e, _ := k.entry(w, wall()); k.fly(e, true, w.remote, wall()) },
			after:  func(k *keeper, w wanted) { k.land(k.entries[w.key].flight, result{page: response(time.Hour, day)}) },
			stays:  true,
		},
		{
			name:  "there is an answer before it is removed",
			after: func(k *keeper, w wanted) { k.wants(w, wall(), response(time.Hour, day)) },
			stays: true,
		},
		{name: "of an issuer that is not answered for", nobody: true, stays: true},
		{name: "of an issuer that is not answered for, and old", nobody: true, age: longestIdle + time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, s := newTestKeeper(t)
			w := s.wanted("\x07")
			file := w.key.path(k.dir)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("damaged"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, time.Time{}, wall().Add(-test.age)); err != nil {
				t.Fatal(err)
			}
			if test.before != nil {
				test.before(k, w)
			}
			find := func(keptKey) *wanted { return &w }
			if test.nobody {
				find = func(keptKey) *wanted { return nil }
			}
			if err := k.load(t.Context(), find); err != nil {
				t.Fatal(err)
			}
			if test.after != nil {
				test.after(k, w)
			}
			gone, _ := k.step(wall())
			for _, path := range gone {
				k.remove(path)
			}
			if _, err := os.Stat(file); (err == nil) != test.stays {
				t.Errorf("the file is there: %v, want %v", err == nil, test.stays)
			}
		})
	}
}

// What was passed on may be in a slow responder's lane when its client has long
// gone. This lane does not move at all.
func TestWhatIsPassedOnDoesNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := newTestKeeper(t)
		p := normal()
		p.extensions = withNonce(32)
		q, err := parseRequest(p.encode())
		if err != nil {
			t.Fatal(err)
		}
		const waves, clients = 3, 1000
		for range waves {
			for i := range clients {
				go k.pass(t.Context(), q, s, fmt.Sprintf("192.0.%d.%d:1", i/250, i%250), wall())
			}
			time.Sleep(waitTime + time.Second)
			synctest.Wait()
		}
		if k.flights != maxFlights || k.counters.passed.Load() != maxFlights || k.counters.limited.Load() != waves*clients-maxFlights {
			t.Errorf("got %d in the air, %d passed on, %d refused, want %d, %d and the rest of %d",
				k.flights, k.counters.passed.Load(), k.counters.limited.Load(), maxFlights, maxFlights, waves*clients)
		}
	})
}

// TestADiskThatTakesNothingIsSaidOnce, and again when it has taken something in
// between.
func TestADiskThatTakesNothingIsSaidOnce(t *testing.T) {
	k, s := newTestKeeper(t)
	var said bytes.Buffer
	k.log = slog.New(slog.NewTextHandler(&said, nil))
	n := 0
	want := func(w int) {
		t.Helper()
		n++
		k.wants(s.wanted(fmt.Sprint("\x01", n)), wall(), response(time.Hour, day))
		if got := strings.Count(said.String(), "answer not kept"); got != w {
			t.Errorf("answer %d: said %d times, want %d\n%s", n, got, w, said.String())
		}
	}
	block := filepath.Join(k.dir, answersDir)
	if err := os.WriteFile(block, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want(1)
	want(1)
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	want(1)
	if err := os.RemoveAll(block); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(block, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want(2)
}

// TestAClockThatIsSetBackLengthensNoPause: what a CA did not know is asked for
// again after a minute, however far the clock was ahead when it said so.
func TestAClockThatIsSetBackLengthensNoPause(t *testing.T) {
	k, s := newTestKeeper(t)
	ahead := wall().Add(day)
	e, _ := k.entry(s.wanted("\x01"), ahead)
	e.pause, e.status = ahead.Add(negativeTime), unauthorized
	if f, _, got := k.fly(e, true, "192.0.2.1:1", ahead); f != nil || got != unauthorized {
		t.Errorf("within the pause: got %v, status %d, want no request", f, got)
	}
	if f, _, got := k.fly(e, true, "192.0.2.1:1", ahead.Add(-day)); f == nil {
		t.Errorf("a day back: got status %d, want a request", got)
	}
}

// TestAnAnswerThatHasJustComeIsNotAskedForAgain by who looked for it just
// before, and had no turn to ask until then.
func TestAnAnswerThatHasJustComeIsNotAskedForAgain(t *testing.T) {
	k, s := newTestKeeper(t)
	w := s.wanted("\x01")
	looked := wall()
	e, admitted := k.entry(w, looked)
	k.wants(w, looked, response(time.Hour, day))
	if f, _, got := k.fly(e, admitted, w.remote, looked); f != nil || got != landed {
		t.Errorf("got flight %v, status %d, want none and that it has landed", f, got)
	}
	if f, _, got := k.fly(e, admitted, w.remote, wall()); f == nil {
		t.Errorf("who looks for it later and finds none: got status %d, want a request", got)
	}
}

func TestNobodyGetsMoreEntriesThanRequests(t *testing.T) {
	k, s := newTestKeeper(t)
	for i := range 3 * clientBurst {
		k.entry(s.wanted(fmt.Sprint("\x01", i)), noon)
	}
	if got := len(k.entries); got != clientBurst {
		t.Errorf("got %d entries for one client at once, want %d", got, clientBurst)
	}
}
