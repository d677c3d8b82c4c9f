package agent_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher/chain"
)

// memoryServer is a server that keeps staples in its memory and forgets them
// when it restarts: what a real one does is shown with a real one.
type memoryServer struct {
	mu       sync.Mutex
	identity string // "": it does not run
	compared [][]hooks.Change
}

func (m *memoryServer) Identity(context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.identity == "" {
		return "", fs.ErrNotExist
	}
	return m.identity, nil
}

func (m *memoryServer) Reconcile(_ context.Context, all []hooks.Change) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.compared = append(m.compared, all)
	return len(all), nil
}

func (m *memoryServer) become(identity string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.identity = identity
}

func (m *memoryServer) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.compared)
}

// hold has the agent of w compare m with the disk.
func (w *world) hold(m *memoryServer) {
	inner := w.options
	w.options = func(o *agent.Options) {
		if inner != nil {
			inner(o)
		}
		o.Held = []agent.Held{{Queue: o.Groups[0].Hooks[0], Holder: m}}
	}
}

func TestRestartedServerIsComparedWithTheDisk(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	w.once("generic")
	m := &memoryServer{identity: "1"}
	w.hold(m)
	w.run("generic")
	eventually(t, "it is compared at the start", func() bool { return m.count() == 1 })
	m.become("2")
	eventually(t, "it is compared after a restart", func() bool { return m.count() == 2 })
	for i, all := range m.compared { // also the first time, when little is known yet
		if len(all) != 1 || all[0].Cert != w.path("site.pem") || all[0].NextUpdate.IsZero() {
			t.Errorf("comparison %d was with %+v, want the staple of site.pem", i, all)
		}
	}
}

// TestARevocationIsComparedIfItIsPublished: a server that restarts has to say it
// again.
func TestARevocationIsComparedIfItIsPublished(t *testing.T) {
	for policy, want := range map[string]string{agent.Publish: "revoked", agent.Keep: "good", agent.Withdraw: ""} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t)
			w.group = func(g *agent.Group) { g.Policy.OnRevoked = policy }
			issued := w.issue("site.pem", lab.IssueOptions{})
			w.once("generic")
			if err := w.responder.Revoke(issued.Certificate.SerialNumber, "", time.Now().Add(-time.Minute)); err != nil {
				t.Fatal(err)
			}
			w.options = func(o *agent.Options) { o.Force = true }
			w.once("generic")
			m := &memoryServer{identity: "1"}
			w.hold(m)
			w.once("generic")
			if m.count() != 1 {
				t.Fatalf("compared %d times, want once", m.count())
			}
			got := ""
			for _, c := range m.compared[0] {
				der, err := agent.ReadStaple(chain.NewLoader(chain.LoaderOptions{}), c)
				if err != nil || len(der) == 0 {
					t.Errorf("%+v: got %d octets, %v", c, len(der), err)
				}
				got += c.Status
			}
			if got != want {
				t.Errorf("compared with %q, want %q", got, want)
			}
		})
	}
}

func TestServerThatDoesNotRunIsLeftAloneByAPass(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	m := new(memoryServer)
	w.hold(m)
	w.once("generic")
	if m.count() != 0 {
		t.Error("a server that does not run was compared")
	}
	m.become("1")
	w.once("generic")
	if m.count() != 1 {
		t.Errorf("a server that runs was compared %d times in one pass, want once", m.count())
	}
}

// With --hook somebody else is told instead.
func TestAPassSaysThatAServerIsNotThereOnlyIfItIsTold(t *testing.T) {
	for _, used := range []bool{true, false} {
		w := newWorld(t)
		w.issue("site.pem", lab.IssueOptions{})
		q, err := hooks.NewQueue(hooks.QueueOptions{Name: "haproxy", Action: new(recorder), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		w.options = func(o *agent.Options) {
			if used {
				o.Groups[0].Hooks = []*hooks.Queue{q}
			}
			o.Held = []agent.Held{{Queue: q, Holder: new(memoryServer), Expected: true}}
		}
		said := w.logTo()
		w.once("generic")
		if got := len(said.lines("server is not there")); got > 1 || (got == 1) != used {
			t.Errorf("used %v: said %d times", used, got)
		}
	}
}

func TestLeftoversOfAKilledProcessAreRemoved(t *testing.T) {
	w := newWorld(t)
	w.issue("site.pem", lab.IssueOptions{})
	left := w.path(".restaple-ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if err := os.WriteFile(left, []byte("half a stap"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.once("generic")
	if found, err := filepath.Glob(w.path(".restaple-*")); err != nil || len(found) != 0 {
		t.Errorf("left: %v, %v", found, err)
	}
}
