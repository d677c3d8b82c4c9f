package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// vouch puts a staple beside every certificate that is valid for window since
// a time.
func (f *fleet) vouch(b testing.TB, since time.Time, window time.Duration) {
	b.Helper()
	certs, err := filepath.Glob(filepath.Join(f.dir, "*.pem"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range certs {
		leaf, err := chain.LeafCertificate(path)
		if err != nil {
			b.Fatal(err)
		}
		der, err := f.issuer.Vouch(leaf, since, since.Add(window)).Encode()
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path+".ocsp", der, 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// laneLimit is how many requests are in flight at one responder by default.
const laneLimit = 32

// fallDue has n staples of one CA fall due: all at once, or as they do when all
// were fetched in the same moment. It checks that the responder never sees more
// than the limit, each certificate once, and requests spread as the jitter is.
func fallDue(b testing.TB, n int, window time.Duration, overdue bool) {
	b.Helper()
	f := newFleet(b, n, 20*time.Millisecond)
	if overdue {
		f.askAll(b, n, time.Now().Add(-window/2), window)
		return
	}
	jitter := window / 10
	for lead := 3 * time.Second; ; lead *= 2 {
		first := time.Now().Add(lead)
		known, arrived, stalled := f.askAll(b, n, first.Add(jitter-window/2), window)
		if (known.After(first) || stalled > jitter/4) && lead < time.Minute {
			continue // they were due before the agent had read them all, or while nothing ran
		}
		// Four fifths of what is evenly spread lie between the first and the
		// last tenth. A busy machine draws them together somewhat.
		if spread := arrived[n-1-n/10].Sub(arrived[n/10]); spread < jitter*4/10 {
			b.Errorf("four fifths of the requests within %v, want them spread over the jitter of %v", spread, jitter)
		}
		return
	}
}

// askAll runs an agent over staples that were given out at a time until all
// have been asked about. It says when it knew them, when the requests came, and
// for how long at most the machine kept this process waiting meanwhile.
func (f *fleet) askAll(b testing.TB, n int, since time.Time, window time.Duration) (known time.Time, arrived []time.Time, stalled time.Duration) {
	b.Helper()
	f.vouch(b, since, window)
	f.responder.Renew() // what it gave out before is older than these
	p, err := profile.ByName("generic")
	if err != nil {
		b.Fatal(err)
	}
	a, err := agent.New(agent.Options{
		Groups: []agent.Group{{Sources: []watcher.Source{{Path: f.dir}}, Profile: p, UID: -1, GID: -1}},
		Client: f.client, StateDir: f.state, Log: slog.New(slog.DiscardHandler),
		Ready: func() { known = time.Now() }, // read when the agent has ended
	})
	if err != nil {
		b.Fatal(err)
	}
	stop := start(b, a)
	most := 0
	last := time.Now()
	for deadline := last.Add(2 * time.Minute); len(arrived) < n; time.Sleep(10 * time.Millisecond) {
		var more []time.Time
		more, most = f.requests()
		now := time.Now()
		if arrived = append(arrived, more...); now.After(deadline) {
			b.Fatalf("%d of %d were asked about", len(arrived), n)
		}
		stalled, last = max(stalled, now.Sub(last)), now
	}
	stop()
	if more, _ := f.requests(); len(arrived)+len(more) > n {
		b.Errorf("%d requests about %d certificates", len(arrived)+len(more), n)
	}
	if most > laneLimit {
		b.Errorf("%d requests in flight, want at most %d", most, laneLimit)
	}
	slices.SortFunc(arrived, time.Time.Compare)
	return known, arrived, stalled
}

// start runs an agent until stop is called.
func start(b testing.TB, a *agent.Agent) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Errorf("Run: %v", err)
		}
	}
}

func TestManyDueAtOnceAreAskedWithinTheLimitAndSpread(t *testing.T) {
	for name, overdue := range map[string]bool{"overdue": true, "fetched in one moment": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fallDue(t, 500, 40*time.Second, overdue)
		})
	}
}

// BenchmarkDue is the same with ten thousand, which takes half a minute: it
// measures nothing and fails if a limit does not hold.
func BenchmarkDue(b *testing.B) {
	for _, overdue := range []bool{true, false} {
		b.Run(fmt.Sprintf("overdue=%v", overdue), func(b *testing.B) {
			for b.Loop() {
				fallDue(b, 10000, 200*time.Second, overdue)
			}
		})
	}
}
