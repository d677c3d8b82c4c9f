package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
)

func TestHooksAwaitTheLookThatFollowsLostEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan time.Time, 1)
		q, err := hooks.NewQueue(hooks.QueueOptions{Name: "reload", Log: slog.New(slog.DiscardHandler), Action: action(func() { told <- time.Now() })})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- q.Run(ctx) }()
		a := &Agent{queues: []*hooks.Queue{q}}
		begin := time.Now()
		p, err := q.Promise([]hooks.Change{{Event: hooks.Placed}})
		if err != nil {
			t.Fatal(err)
		}
		p.Keep([]hooks.Change{{Event: hooks.Placed}})
		for _, more := range []bool{true, true, false, false} {
			a.expectMore(more)
			time.Sleep(2 * time.Second)
		}
		if got := (<-told).Sub(begin); got != 4*time.Second {
			t.Errorf("told after %v, want when nothing more is expected, after 4s", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

type action func()

func (f action) Deliver(context.Context, []hooks.Change) error { f(); return nil }

// TestListingThatMissesAFileForgetsItNot: what is renamed over another while the
// directory is listed may be in neither place.
func TestListingThatMissesAFileForgetsItNot(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for _, name := range []string{"same.pem", "replaced.pem", "gone.pem"} {
			b.issue(name, a0)
		}
		b.behave("a.example", b.good(time.Hour, 0))
		b.run(nil)
		b.pass(time.Second)
		if err := os.Remove(filepath.Join(b.dir, "gone.pem")); err != nil {
			t.Fatal(err)
		}
		b.issueSince("replaced.pem", time.Now(), lab.IssueOptions{Responders: []string{a0}})
		asked := b.requests()
		b.agent.onLoop(t.Context(), func() { b.agent.onScan(t.Context(), scan{}) })
		b.pass(time.Second)
		if got := b.states(); got[Fresh] != 2 || len(got) != 1 || b.requests() != asked+1 {
			t.Errorf("states %v after %d more requests, want two fresh after one", got, b.requests()-asked)
		}
		if got := b.log.from(slog.LevelInfo, "certificate gone"); len(got) != 1 {
			t.Errorf("gone: %v, want one", got)
		}
	})
}

func TestFullLookWaitsForWhatTheLastOneFound(t *testing.T) {
	generic, err := profile.ByName("generic")
	if err != nil {
		t.Fatal(err)
	}
	client := responder.New(responder.Options{})
	t.Cleanup(client.Close)
	a, err := New(Options{
		Groups: []Group{{Sources: []watcher.Source{{Path: t.TempDir()}}, Profile: generic, UID: -1, GID: -1}},
		Client: client, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)

	a.lookings = 1
	a.lookEverywhere(t.Context())
	if a.scanning || !a.rescan {
		t.Errorf("while a certificate is being read: scanning %v, another one wanted %v", a.scanning, a.rescan)
	}
	a.lookings = 0
	a.lookEverywhere(t.Context())
	a.lookEverywhere(t.Context())
	if !a.scanning || !a.rescan {
		t.Errorf("when it has been read: scanning %v, another one wanted %v", a.scanning, a.rescan)
	}
	a.onScan(t.Context(), <-a.scans)
	if a.scanning || !a.rescan {
		t.Errorf("when the look is over: scanning %v, another one wanted %v", a.scanning, a.rescan)
	}
}
