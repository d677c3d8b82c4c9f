package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/responder"
)

func TestHoldNeverLetsAStapleEnd(t *testing.T) {
	for name, row := range map[string]struct {
		window time.Duration
		status int
	}{
		"an hour, 503":       {time.Hour, 503},
		"an hour, 404":       {time.Hour, 404},
		"a day, 429":         {24 * time.Hour, 429},
		"five minutes, 503":  {5 * time.Minute, 503},
		"twelve seconds 503": {12 * time.Second, 503},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				for i := range 5 {
					b.issue(fmt.Sprintf("c%d.pem", i), a0)
				}
				good := b.good(row.window, 0)
				b.behave("a.example", good)
				b.run(nil)
				b.pass(row.window / 100)
				var once sync.Once
				told := false
				b.behave("a.example", func(ctx context.Context, q responder.Query) (a *responder.Answer, err error) {
					once.Do(func() {
						a, err = refuse(row.status, 24*time.Hour)(ctx, q)
						told = true
					})
					if a == nil && err == nil {
						a, err = good(ctx, q)
					}
					return a, err
				})
				for range 300 { // three windows
					b.pass(row.window / 100)
					n := b.states()
					if n[Fresh]+n[Late]+n[Ending] != 5 {
						t.Fatalf("after %v: %v", time.Since(b.start), n)
					}
				}
				if !told {
					t.Error("nobody was told to wait")
				}
			})
		})
	}
}

func TestNewCertificateWaitsForAHoldNotForADay(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("one.pem", a0)
		b.issue("two.pem", a0)
		good := b.good(time.Hour, 0)
		var n atomic.Int64
		b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
			if n.Add(1) == 1 {
				return refuse(503, 24*time.Hour)(ctx, q)
			}
			return good(ctx, q)
		})
		b.run(func(o *Options) { o.Lanes.Max = 1 })
		b.pass(9 * time.Minute)
		if n.Load() != 1 {
			t.Errorf("asked %d times while it wanted to be left alone", n.Load())
		}
		b.pass(6 * time.Minute)
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("states: %v, want the one it was not said of to be fresh", got)
		}
		b.pass(time.Hour)
		if got := b.states(); got[Fresh] != 2 {
			t.Errorf("states: %v", got)
		}
	})
}

// firstBack makes the host good, and checks that all certificates are fresh as
// soon as one of them has found out.
func (b *bubble) firstBack(host string, n int) {
	b.t.Helper()
	b.behave(host, b.good(time.Hour, 0))
	for range 2 * 60 * 6 {
		b.pass(10 * time.Second)
		if b.states()[Fresh] > 0 {
			b.pass(time.Minute)
			if got := b.states(); got[Fresh] != n {
				b.t.Errorf("a minute after the first: %v", got)
			}
			return
		}
	}
	b.t.Error("none is fresh after two hours")
}

func TestReturnOfAResponderIsHeardOfByItsOwnName(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for i := range 20 {
			b.issue(fmt.Sprintf("c%02d.pem", i), a0)
		}
		b.behave("b.example", hang)
		b.run(func(o *Options) {
			o.Asking = func(host string) Asking {
				if host == "a.example" {
					return Asking{URL: b0}
				}
				return Asking{}
			}
		})
		b.pass(10 * time.Hour)
		b.firstBack("b.example", 20)
	})
}

func TestReturnOfWhoHasTheIssuersIsHeardOf(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for i := range 20 {
			b.issueLeaf(fmt.Sprintf("c%02d.pem", i), lab.IssueOptions{Responders: []string{a0}, CAIssuers: []string{fmt.Sprintf("http://ca.example/%d", i)}})
		}
		var back atomic.Bool
		b.fetch = func(ctx context.Context, url string) ([]byte, error) {
			if !back.Load() {
				_, err := hang(ctx, responder.Query{URL: url})
				return nil, err
			}
			return b.pki.Intermediate.Certificate.Raw, nil
		}
		b.run(nil)
		b.pass(10 * time.Hour)
		back.Store(true)
		b.firstBack("a.example", 20)
	})
}

func TestIssuerThatJustCameIsLookedForFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		o := lab.IssueOptions{Responders: []string{a0}, CAIssuers: []string{"http://ca.example/"}}
		b.issueLeaf("one.pem", o)
		b.behave("a.example", b.good(time.Hour, 0))
		var fetched atomic.Int64
		b.fetch = func(context.Context, string) ([]byte, error) {
			fetched.Add(1)
			return b.pki.Intermediate.Certificate.Raw, nil
		}
		b.run(nil)
		b.pass(time.Second)
		kept, err := filepath.Glob(filepath.Join(b.state, "issuers", "*.pem"))
		if err != nil || len(kept) != 1 || fetched.Load() != 1 {
			t.Fatalf("kept %v, %v after %d downloads", kept, err, fetched.Load())
		}
		if err := os.Remove(kept[0]); err != nil {
			t.Fatal(err)
		}
		b.issueLeaf("two.pem", o)
		if err := b.agent.Rescan(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.pass(10 * time.Second)
		if fetched.Load() != 1 {
			t.Errorf("fetched %d times within seconds", fetched.Load())
		}
		b.pass(2 * time.Minute)
		if got := b.states(); got[Fresh] != 2 || fetched.Load() != 2 {
			t.Errorf("states: %v after %d downloads", got, fetched.Load())
		}
	})
}

// times is when a responder had answered.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (x *times) of(m manner, start time.Time) manner {
	return func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
		a, err := m(ctx, q)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.all = append(x.all, time.Since(start))
		return a, err
	}
}

// take returns what has come since it was last called.
func (x *times) take() []time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.all
	x.all = nil
	return all
}

// TestTenThousandThatHangDelayNoOther compares two runs: the certificates of a
// good responder with and without those of one that never answers beside them.
// In a bubble only waiting takes time, so that both must be the same.
func TestTenThousandThatHangDelayNoOther(t *testing.T) {
	const fetch = 50 * time.Millisecond
	run := func(hanging int) (cold, late []time.Duration) {
		inBubble(t, func(t *testing.T, b *bubble) {
			key, err := lab.NewKey("ecdsa")
			if err != nil {
				t.Fatal(err)
			}
			for i := range hanging {
				b.issueSince(fmt.Sprintf("slow%05d.pem", i), time.Now().Add(-time.Hour), lab.IssueOptions{Responders: []string{b0}, Key: key})
			}
			for i := range 200 {
				b.issueSince(fmt.Sprintf("quick%03d.pem", i), time.Now().Add(-time.Hour), lab.IssueOptions{Responders: []string{a0}, Key: key})
			}
			b.behave("b.example", hang)
			var x times
			b.behave("a.example", x.of(b.good(24*time.Hour, fetch), b.start))
			b.run(func(o *Options) { o.Log, o.StateDir = slog.New(slog.DiscardHandler), "" })
			b.pass(10 * time.Second) // all of the others hang or wait
			cold = x.take()
			if got, _ := b.agent.Tally(t.Context()); got.States[Fresh] != 200 {
				t.Errorf("with %d that hang: %v", hanging, got)
			}
			for i, wait := range []time.Duration{0, 20 * time.Second, 2 * time.Minute} { // hanging, given up, and down
				b.pass(wait)
				b.issueSince(fmt.Sprintf("late%d.pem", i), time.Now().Add(-time.Hour), lab.IssueOptions{Responders: []string{a0}, Key: key})
				at := time.Since(b.start)
				if err := b.agent.Rescan(t.Context()); err != nil {
					t.Fatal(err)
				}
				b.pass(fetch)
				for _, took := range x.take() {
					late = append(late, took-at)
				}
				if got, _ := b.agent.Tally(t.Context()); got.States[Fresh] != 201+i {
					t.Errorf("with %d that hang, after a fetch: %v", hanging, got)
				}
			}
		})
		return cold, late
	}
	cold, late := run(manyThatHang)
	alone, lateAlone := run(0)
	if !slices.Equal(cold, alone) {
		t.Errorf("200 certificates had their answers after %v beside %d that hang, after %v without", cold, manyThatHang, alone)
	}
	if want := []time.Duration{fetch, fetch, fetch}; !slices.Equal(late, want) || !slices.Equal(lateAlone, want) {
		t.Errorf("a new certificate had its answer after %v beside %d that hang, after %v without; want %v", late, manyThatHang, lateAlone, want)
	}
}

// issueLeaf writes a certificate without its issuer.
func (b *bubble) issueLeaf(name string, o lab.IssueOptions) {
	b.t.Helper()
	b.leafOnly = true
	b.issueSince(name, time.Now().Add(-time.Hour), o)
	b.leafOnly = false
}

func TestNothingNewerIsAskedForAgainWhenCachesLetGoOfIt(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		const day = 24 * time.Hour
		r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate, Validity: 7 * day, Step: 6 * day})
		if err != nil {
			t.Fatal(err)
		}
		b.issue("site.pem", a0)
		b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
			a, err := ask(r, q)
			a.FreshUntil = time.Now().Add(2 * time.Hour)
			return a, err
		})
		b.run(nil)
		for b.requests() < 2 {
			b.pass(time.Hour)
		}
		b.pass(30 * time.Hour)
		if got := b.requests(); got < 11 || got > 17 {
			t.Errorf("%d requests in 30 hours, want one in two to three", got-2)
		}
		if said := b.log.from(slog.LevelDebug, "nothing newer"); len(said) != b.requests()-1 || said[0].level != slog.LevelDebug {
			t.Errorf("%d answers brought nothing newer, and %d lines at level debug say so", b.requests()-1, len(said))
		}
	})
}
