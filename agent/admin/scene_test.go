package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
)

// scene is a source in whatever state a test wants.
type scene struct {
	certs    []agent.Certificate
	lanes    []responder.LaneState
	hooks    []hooks.QueueState
	proofs   []prove.Finding
	problems []string
	polling  string
	takes    time.Duration // to answer
	hangs    bool

	mu        sync.Mutex
	asked     int
	rescans   int
	refreshes [][]string
}

func (s *scene) Certificates(ctx context.Context) []agent.Certificate {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	if s.hangs {
		<-ctx.Done()
		return nil
	}
	time.Sleep(s.takes) // in bubbles only
	return s.certs
}

func (s *scene) Responders() []responder.LaneState { return s.lanes }
func (s *scene) Problems() []string                { return s.problems }
func (s *scene) Hooks() []hooks.QueueState         { return s.hooks }
func (s *scene) Proofs() []prove.Finding {
	return s.proofs
}
func (s *scene) Polling() (bool, string) { return s.polling != "", s.polling }

func (s *scene) Tally(ctx context.Context) (agent.Tally, bool) {
	if s.hangs {
		<-ctx.Done()
	}
	return agent.Tally{}, !s.hangs
}

func (s *scene) Rescan(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rescans++
	return nil
}

func (s *scene) Refresh(_ context.Context, paths []string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshes = append(s.refreshes, paths)
	return len(s.certs), nil
}

func (s *scene) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// certificate is a fresh one, a week long and half-way through it.
func certificate(name string, now time.Time) agent.Certificate {
	return agent.Certificate{
		Path: "/etc/tls/" + name + ".pem", Name: name, Staple: "/etc/tls/" + name + ".pem.ocsp", Server: "haproxy",
		State: agent.Fresh, OK: true, Serial: fmt.Sprintf("%x", name), Fingerprint: "00",
		ThisUpdate: now.Add(-84 * time.Hour), NextUpdate: now.Add(84 * time.Hour), Expires: now.Add(84 * time.Hour),
		RefreshAt: now.Add(20 * time.Minute), Responders: []string{"http://ocsp.corp.example/"},
	}
}

// everyState has a certificate in each state, named for it, and responders and
// hooks in each of theirs.
func everyState(now time.Time) *scene {
	s := &scene{polling: "no space left on device: raise fs.inotify.max_user_watches",
		problems: []string{"/etc/haproxy/certs: no such file or directory"}}
	for _, state := range agent.States() {
		c := certificate(string(state)+".example.test", now)
		c.State, c.OK = state, state.OK(false)
		switch state {
		case agent.Late:
			c.ThisUpdate, c.NextUpdate = now.Add(-132*time.Hour), now.Add(36*time.Hour)
		case agent.Ending:
			c.ThisUpdate, c.NextUpdate, c.MustStaple = now.Add(-167*time.Hour), now.Add(time.Hour), true
			c.Reason, c.Error, c.ErrorAt = "timeout", "http://ocsp.corp.example/: no answer within 15s", now.Add(-time.Minute)
		case agent.Expired:
			c.ThisUpdate, c.NextUpdate = now.Add(-200*time.Hour), now.Add(-32*time.Hour)
			c.Reason, c.Error, c.ErrorAt = "bad-signature", "bad-signature: <script>alert(1)</script>", now
		case agent.Fresh:
		default:
			c.ThisUpdate, c.NextUpdate, c.RefreshAt = time.Time{}, time.Time{}, time.Time{}
			if !c.OK {
				c.Error = "something is wrong with " + c.Path
			}
		}
		c.Expires = c.NextUpdate
		s.certs = append(s.certs, c)
	}
	short := certificate("signer-ends-early.example.test", now)
	short.Expires = now.Add(40 * time.Hour)
	none := certificate("no-next-update.example.test", now)
	none.ThisUpdate, none.NextUpdate, none.Expires = now.Add(-time.Hour), time.Time{}, now.Add(23*time.Hour)
	s.certs = append(s.certs, short, none)
	s.lanes = []responder.LaneState{
		{Host: "ocsp.corp.example", State: "open", InFlight: 3, Limit: 32, Queued: 0},
		{Host: "ocsp.slow.example:8080", State: "slowed", InFlight: 4, Limit: 4, Queued: 210},
		{Host: "ocsp.busy.example", State: "held", Limit: 1, Queued: 2, Until: now.Add(30 * time.Second)},
		{Host: "ocsp.dead.example", State: "down", Limit: 1, Queued: 12, Until: now.Add(50 * time.Second)},
	}
	s.hooks = []hooks.QueueState{
		{Name: "haproxy", DeliveredAt: now.Add(-time.Hour)},
		{Name: "nginx", Pending: 3, Attempts: 2, Err: errors.New("exit status 1: nginx: [emerg] cannot load certificate"), RetryAt: now.Add(time.Minute), DeliveredAt: now.Add(-48 * time.Hour)},
		{Name: "audit", Pending: 1},
		{Name: "page"},
	}
	s.proofs = []prove.Finding{
		{Address: prove.Address{HostPort: "www.example:443"}, Result: prove.Proven, Same: true, Detail: "until tomorrow"},
		{Address: prove.Address{HostPort: "old.example:443"}, Result: prove.OlderServed, Detail: "the server has not reloaded"},
		{Address: prove.Address{HostPort: "mx.example:25", StartTLS: "smtp"}, Result: prove.Unreachable, Detail: "connection refused"},
	}
	return s
}

// started is a server that answers.
type started struct {
	*Server
	metrics *Metrics
	url     string
	client  *http.Client
}

// start serves src at address until the test ends: "tcp" or "unix".
func start(t *testing.T, network string, src Source, perCertificate bool) *started {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = "unix:" + filepath.Join(t.TempDir(), "admin.sock")
	}
	l, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics("1.2.3")
	s := New(Options{Metrics: m, Version: "1.2.3", Log: quiet()})
	if src != nil {
		s.SetSource(src, perCertificate)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	out := &started{Server: s, metrics: m, client: new(http.Client)}
	transport := &http.Transport{}
	out.url = "http://" + l.Addr().String()
	if network == "unix" {
		out.url = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(address, "unix:"))
		}
	}
	out.client.Transport = transport
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return out
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// ask returns the status of h's answer to a request under a name.
func ask(h http.Handler, path, host string) int {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}
