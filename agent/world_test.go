package agent_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// world is a CA with its responder on loopback, a directory with certificates,
// and agents that look after it.
type world struct {
	t         *testing.T
	dir       string // of certificates
	state     string
	pki       *lab.PKI
	responder *lab.Responder
	url       string
	told      *recorder
	handler   atomic.Pointer[lab.Responder]
	group     func(*agent.Group)
	options   func(*agent.Options)
}

// recorder is a hook that notes what it is told.
type recorder struct {
	mu      sync.Mutex
	batches [][]hooks.Change
	fail    error
	then    []func() // what follows a delivery
}

func (r *recorder) Deliver(_ context.Context, changes []hooks.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.batches = append(r.batches, changes)
	for _, f := range r.then {
		f()
	}
	return nil
}

func (r *recorder) after(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.then = append(r.then, f)
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.batches)
}

func (r *recorder) events() []hooks.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []hooks.Event
	for _, b := range r.batches {
		for _, c := range b {
			out = append(out, c.Event)
		}
	}
	return out
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), state: t.TempDir(), told: new(recorder)}
	return w.build()
}

// another is a second CA with a responder of its own.
func (w *world) another(t *testing.T) *world {
	t.Helper()
	return (&world{t: t, dir: w.dir, state: w.state, told: w.told}).build()
}

func (w *world) build() *world {
	t := w.t
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + l.Addr().String()
	if w.pki, err = lab.NewPKI(lab.PKIOptions{Responders: []string{w.url}}); err != nil {
		t.Fatal(err)
	}
	if w.responder, err = lab.NewResponder(lab.ResponderOptions{CA: w.pki.Intermediate, Backdate: time.Minute}); err != nil {
		t.Fatal(err)
	}
	w.handler.Store(w.responder)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- lab.Serve(ctx, l, http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			w.handler.Load().ServeHTTP(rw, req)
		}))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("lab responder: %v", err)
		}
	})
	return w
}

// serve puts another responder at the address of the first.
func (w *world) serve(r *lab.Responder) {
	w.responder = r
	w.handler.Store(r)
}

// issue writes a new certificate into the directory under name.
func (w *world) issue(name string, o lab.IssueOptions) *lab.Issued {
	w.t.Helper()
	if o.Names == nil {
		o.Names = []string{strings.TrimSuffix(name, ".pem") + ".example.test"}
	}
	issued, err := w.pki.Intermediate.Issue(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name, issued.ChainPEM())
	return issued
}

// write replaces a file in the directory as a careful person would.
func (w *world) write(name string, data []byte) {
	w.t.Helper()
	path := w.path(name)
	if err := os.WriteFile(path+".new~", data, 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new~", path); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// agent makes an agent for the directory.
func (w *world) agent(profileName string) *agent.Agent {
	w.t.Helper()
	p, err := profile.ByName(profileName)
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&logWriter{w.t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	q, err := hooks.NewQueue(hooks.QueueOptions{
		Name: "test", Action: w.told, Delay: 20 * time.Millisecond, Dir: filepath.Join(w.state, "hooks"), Log: log,
		Events: hooks.Events(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	client := responder.New(responder.Options{
		Guard: responder.NewGuard(responder.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
	})
	w.t.Cleanup(client.Close)
	g := agent.Group{
		Sources: []watcher.Source{{Path: w.dir}}, Profile: p, UID: -1, GID: -1,
		Policy: agent.Policy{OnRevoked: agent.Withdraw, OnUnknown: agent.Keep}, Hooks: []*hooks.Queue{q},
	}
	if w.group != nil {
		w.group(&g)
	}
	o := agent.Options{Groups: []agent.Group{g}, Client: client, StateDir: w.state, Log: log}
	if w.options != nil {
		w.options(&o)
	}
	a, err := agent.New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// once makes one pass and returns the certificates by file name.
func (w *world) once(profileName string) map[string]agent.Certificate {
	w.t.Helper()
	certs, err := w.agent(profileName).RunOnce(w.t.Context())
	if err != nil {
		w.t.Errorf("RunOnce: %v", err)
	}
	return byName(certs)
}

func byName(certs []agent.Certificate) map[string]agent.Certificate {
	out := make(map[string]agent.Certificate)
	for _, c := range certs {
		out[filepath.Base(c.Path)] = c
	}
	return out
}

// run makes an agent and runs it until the test ends.
func (w *world) run(profileName string) *agent.Agent {
	w.t.Helper()
	a := w.agent(profileName)
	w.start(a)
	return a
}

// start runs an agent until the test ends.
func (w *world) start(a *agent.Agent) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
}

// verified returns the staple in a file of the directory, if it is one for the
// certificate in another.
func (w *world) verified(cert, stapleName string) (*staple.Staple, error) {
	c, err := chain.NewLoader(chain.LoaderOptions{}).Load(w.path(cert))
	if err != nil {
		return nil, err
	}
	der, err := os.ReadFile(w.path(stapleName))
	if err != nil {
		return nil, err
	}
	return staple.Verify(der, c, time.Now(), staple.Options{})
}

func (w *world) mustHold(cert string) *staple.Staple {
	w.t.Helper()
	s, err := w.verified(cert, cert+".ocsp")
	if err != nil {
		w.t.Fatalf("staple of %s: %v", cert, err)
	}
	return s
}

// eventually waits for a condition on what another goroutine does to the file
// system or the network, where no bubble reaches.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, time.Minute, what, ok)
}

// soonerThanAHang is less than a responder may hang.
const soonerThanAHang = 14 * time.Second

// within is eventually for what must not take longer.
func within(t *testing.T, most time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(most)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", most, what)
		case <-tick.C:
		}
	}
}

// logWriter sends a log to the test's own.
type logWriter struct{ t *testing.T }

func (l *logWriter) Write(p []byte) (int, error) {
	l.t.Logf("%s", strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
