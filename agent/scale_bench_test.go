package agent_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/watcher"
)

// BenchmarkDaemon is a running agent with many fresh certificates: how long
// until it is ready beside the bare loop, its live heap, what it costs while
// nothing changes, and how soon a new certificate has its staple. An iteration
// takes more than a minute, for a full look has to be in it: -benchtime 1x.
func BenchmarkDaemon(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFleet(b, n, 0)
			f.pass(b, n)
			for b.Loop() {
				f.daemon(b, n)
			}
		})
	}
}

func (f *fleet) daemon(b *testing.B, n int) {
	limit := f.bare().warm(b)
	runtime.GC()
	before := heap()
	p, err := profile.ByName("generic")
	if err != nil {
		b.Fatal(err)
	}
	ready := make(chan struct{})
	start := time.Now()
	a, err := agent.New(agent.Options{
		Groups: []agent.Group{{Sources: []watcher.Source{{Path: f.dir}}, Profile: p, UID: -1, GID: -1}},
		Client: f.client, StateDir: f.state, Log: slog.New(slog.DiscardHandler),
		Ready: func() { close(ready) },
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	<-ready
	took := time.Since(start)
	b.ReportMetric(limit.Seconds()/took.Seconds(), "ready-ratio")

	time.Sleep(5 * time.Second) // the look that follows when the watches stand

	runtime.GC()
	runtime.GC() // what has a finalizer goes with the second
	b.ReportMetric(float64(int64(heap())-int64(before))/float64(n), "heap-B/cert")

	const quiet = 65 * time.Second // with one full look in it, and seven tallies
	cpu, began := cpuTime(b), time.Now()
	tick := time.NewTicker(10 * time.Second) // what systemd and a scrape ask
	for time.Since(began) < quiet {
		<-tick.C
		if _, ok := a.Tally(ctx); !ok {
			b.Fatal("no tally")
		}
	}
	tick.Stop()
	b.ReportMetric(100*(cpuTime(b)-cpu).Seconds()/time.Since(began).Seconds(), "idle-%core")

	var waits []time.Duration
	for i := range 21 {
		waits = append(waits, f.newcomer(b, i))
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "new-ms/median")
	b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "new-ms/max")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// newcomer puts a certificate among the others and waits for its staple.
func (f *fleet) newcomer(b *testing.B, i int) time.Duration {
	b.Helper()
	issued, err := f.issuer.Issue(lab.IssueOptions{Names: []string{fmt.Sprintf("new%d.example.test", i)}, Key: f.key})
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(f.dir, fmt.Sprintf("new%d.pem", i))
	start := time.Now()
	if err := os.WriteFile(path, issued.ChainPEM(), 0o644); err != nil {
		b.Fatal(err)
	}
	for {
		if _, err := os.Stat(path + ".ocsp"); err == nil {
			break
		}
		if time.Since(start) > 30*time.Second {
			b.Fatal("no staple within 30 s")
		}
		time.Sleep(500 * time.Microsecond)
	}
	took := time.Since(start)
	for _, p := range []string{path, path + ".ocsp"} {
		if err := os.Remove(p); err != nil {
			b.Fatal(err)
		}
	}
	return took
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
