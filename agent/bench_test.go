package agent_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/watcher"
)

// fleet is a directory with many certificates of one CA and its responder.
type fleet struct {
	dir, state string
	delay      time.Duration // of the responder
	client     *responder.Client
	responder  *lab.Responder
	issuer     *lab.CA
	key        crypto.Signer

	mu      sync.Mutex
	asking  int         // requests at the responder
	most    int         // of them so far
	arrived []time.Time // requests, since they were last taken
}

// ServeHTTP counts what comes to the responder.
func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asking++
	f.most = max(f.most, f.asking)
	f.arrived = append(f.arrived, time.Now())
	f.mu.Unlock()
	time.Sleep(f.delay) // the way to a responder in another city
	f.responder.ServeHTTP(w, r)
	f.mu.Lock()
	f.asking--
	f.mu.Unlock()
}

// requests returns when requests came since it was last called, and how many
// there ever were at once.
func (f *fleet) requests() (arrived []time.Time, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	arrived, f.arrived = f.arrived, nil
	return arrived, f.most
}

func newFleet(b testing.TB, n int, delay time.Duration) *fleet {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	pki, err := lab.NewPKI(lab.PKIOptions{Responders: []string{"http://" + l.Addr().String()}})
	if err != nil {
		b.Fatal(err)
	}
	f := &fleet{dir: b.TempDir(), state: b.TempDir(), issuer: pki.Intermediate, delay: delay}
	if f.responder, err = lab.NewResponder(lab.ResponderOptions{CA: pki.Intermediate, Validity: 24 * time.Hour, Step: time.Hour}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- lab.Serve(ctx, l, f) }()
	b.Cleanup(func() { cancel(); <-ended })
	if f.key, err = lab.NewKey("ecdsa"); err != nil {
		b.Fatal(err)
	}
	f.issue(b, n)
	f.client = responder.New(responder.Options{
		Guard: responder.NewGuard(responder.GuardOptions{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
	})
	b.Cleanup(f.client.Close)
	return f
}

// issue writes n certificates, over those that are there.
func (f *fleet) issue(b testing.TB, n int) {
	b.Helper()
	for i := range n {
		issued, err := f.issuer.Issue(lab.IssueOptions{Names: []string{fmt.Sprintf("c%d.example.test", i)}, Key: f.key})
		if err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(f.dir, fmt.Sprintf("c%06d.pem", i))
		temp := filepath.Join(f.dir, ".new")
		if err := os.WriteFile(temp, issued.ChainPEM(), 0o644); err != nil {
			b.Fatal(err)
		}
		if err := os.Rename(temp, path); err != nil {
			b.Fatal(err)
		}
	}
}

// pass is what `restaple refresh` does.
func (f *fleet) pass(b testing.TB, n int) time.Duration {
	b.Helper()
	p, err := profile.ByName("nginx")
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	a, err := agent.New(agent.Options{
		Groups: []agent.Group{{Sources: []watcher.Source{{Path: f.dir}}, Profile: p.WithSnippet(), UID: -1, GID: -1}},
		Client: f.client, StateDir: f.state, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	certs, err := a.RunOnce(b.Context())
	took := time.Since(start)
	if err != nil || len(certs) != n {
		b.Fatalf("%d certificates, %v", len(certs), err)
	}
	for _, c := range certs {
		if c.State != agent.Fresh {
			b.Fatalf("%s: %s %s", c.Path, c.State, c.Error)
		}
	}
	return took
}

// stamps returns those of all files in the directory, and of the directory
// itself, which says whether any came or went.
func (f *fleet) stamps(b testing.TB) map[string]watcher.Stamp {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(f.dir, "*"))
	if err != nil {
		b.Fatal(err)
	}
	out := make(map[string]watcher.Stamp)
	for _, path := range append(paths, f.dir) {
		if out[path], err = watcher.StampOf(path); err != nil {
			b.Fatal(err)
		}
	}
	return out
}

// clean removes all staples.
func (f *fleet) clean(b testing.TB) {
	b.Helper()
	staples, err := filepath.Glob(filepath.Join(f.dir, "*.ocsp"))
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range staples {
		if err := os.Remove(s); err != nil {
			b.Fatal(err)
		}
	}
	unix.Sync()
}

// bare is the yardstick: loops of the standard library's own calls, on all
// cores, that do the same work without deciding anything.
type bare struct {
	fleet *fleet
	http  *http.Client
}

func (f *fleet) bare() *bare {
	return &bare{fleet: f, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

func (x *bare) each(b testing.TB, workers int, f func(path string) error) time.Duration {
	b.Helper()
	start := time.Now()
	entries, err := os.ReadDir(x.fleet.dir)
	if err != nil {
		b.Fatal(err)
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".pem") {
			paths = append(paths, filepath.Join(x.fleet.dir, e.Name()))
		}
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(paths) {
					return
				}
				if err := f(paths[i]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(start)
}

func parseChain(path string) (leaf, issuer *x509.Certificate, err error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var certs []*x509.Certificate
	for block, more := pem.Decode(rest); block != nil; block, more = pem.Decode(more) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, err
		}
		certs = append(certs, c)
	}
	return certs[0], certs[1], certs[0].CheckSignatureFrom(certs[1])
}

// warm reads, parses and verifies chains and staples.
func (x *bare) warm(b testing.TB) time.Duration {
	return x.each(b, runtime.GOMAXPROCS(0), func(path string) error {
		leaf, issuer, err := parseChain(path)
		if err != nil {
			return err
		}
		der, err := os.ReadFile(path + ".ocsp")
		if err != nil {
			return err
		}
		_, err = ocsp.ParseResponseForCert(der, leaf, issuer)
		return err
	})
}

// cold asks for every staple and makes all of them durable, with one sync a
// batch of 512.
func (x *bare) cold(b testing.TB) time.Duration {
	var mu sync.Mutex
	var batch []string
	flush := func(paths []string) error {
		dir, err := os.Open(x.fleet.dir)
		if err != nil {
			return err
		}
		defer dir.Close()
		if err := unix.Syncfs(int(dir.Fd())); err != nil {
			return err
		}
		for _, p := range paths {
			if err := os.Rename(p+".tmp", p+".ocsp"); err != nil {
				return err
			}
		}
		return dir.Sync()
	}
	start := time.Now()
	x.each(b, 32, func(path string) error {
		leaf, issuer, err := parseChain(path)
		if err != nil {
			return err
		}
		request, err := ocsp.CreateRequest(leaf, issuer, nil)
		if err != nil {
			return err
		}
		resp, err := x.http.Get(leaf.OCSPServer[0] + "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(request)))
		if err != nil {
			return err
		}
		var body bytes.Buffer
		_, err = io.Copy(&body, resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if _, err := ocsp.ParseResponseForCert(body.Bytes(), leaf, issuer); err != nil {
			return err
		}
		if err := os.WriteFile(path+".tmp", body.Bytes(), 0o644); err != nil {
			return err
		}
		mu.Lock()
		batch = append(batch, path)
		var full []string
		if len(batch) == 512 {
			full, batch = batch, nil
		}
		mu.Unlock()
		if full != nil {
			return flush(full)
		}
		return nil
	})
	if err := flush(batch); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkWarm is one pass over fresh staples, beside the bare loop. The
// ratio is the bare loop's time over ours: 1 is as fast.
func BenchmarkWarm(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFleet(b, n, 0)
			f.pass(b, n)
			asked, before := f.responder.Received(), f.stamps(b)
			var ours, limit time.Duration
			for b.Loop() {
				limit += f.bare().warm(b)
				ours += f.pass(b, n)
			}
			if f.responder.Received() != asked {
				b.Fatal("a fresh staple was asked for")
			}
			if !maps.Equal(before, f.stamps(b)) {
				b.Fatal("a file was written although every staple was fresh")
			}
			report(b, n, ours, limit)
		})
	}
}

// BenchmarkCold is one pass without any staple, beside the bare loop.
func BenchmarkCold(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFleet(b, n, 0)
			x := f.bare()
			f.pass(b, n) // the responder signs each answer once
			var ours, limit time.Duration
			for b.Loop() {
				f.clean(b)
				limit += x.cold(b)
				f.clean(b)
				ours += f.pass(b, n)
			}
			report(b, n, ours, limit)
		})
	}
}

// BenchmarkFar is a pass of 1,000 against a responder that is 50 ms away. The
// limit is what 32 requests in flight need for the way alone; what the machine
// makes of that shows in the bare loop of 32 beside it.
func BenchmarkFar(b *testing.B) {
	const n, way = 1000, 50 * time.Millisecond
	f := newFleet(b, n, way)
	x := f.bare()
	f.pass(b, n)
	var ours, limit, loop time.Duration
	for b.Loop() {
		f.clean(b)
		loop += x.cold(b)
		f.clean(b)
		limit += n * way / 32
		ours += f.pass(b, n)
	}
	report(b, n, ours, limit)
	b.ReportMetric(loop.Seconds()/ours.Seconds(), "loop-ratio")
}

func report(b *testing.B, n int, ours, limit time.Duration) {
	b.ReportMetric(float64(n*b.N)/ours.Seconds(), "certs/s")
	b.ReportMetric(float64(n*b.N)/limit.Seconds(), "limit/s")
	b.ReportMetric(limit.Seconds()/ours.Seconds(), "ratio")
}
