package agent_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/watcher"
)

// hanging is how many certificates wait for a responder that hangs.
const hanging = 10000

// BenchmarkHanging is a running agent with a thousand certificates, alone and
// beside ten thousand of a responder that hangs: how long it takes to ask about
// all of the thousand at once, and until a new certificate has its staple. The
// ratio is the time alone over that beside the others: 1 is as if they were not
// there.
func BenchmarkHanging(b *testing.B) {
	const n = 1000
	f, g := newFleet(b, n, 0), newFleet(b, hanging, 0)
	if err := g.responder.SetFault("hang"); err != nil {
		b.Fatal(err)
	}
	f.pass(b, n)
	var alone, beside, aloneNew, besideNew []time.Duration
	for b.Loop() {
		all, one := f.refreshAll(b, n, f)
		alone, aloneNew = append(alone, all...), append(aloneNew, one...)
		all, one = f.refreshAll(b, n, f, g)
		beside, besideNew = append(beside, all...), append(besideNew, one...)
	}
	for _, row := range []struct {
		name          string
		alone, beside []time.Duration
	}{{"all", alone, beside}, {"new", aloneNew, besideNew}} {
		b.ReportMetric(median(row.beside).Seconds()*1000, row.name+"-ms")
		b.ReportMetric(median(row.alone).Seconds()*1000, row.name+"-alone-ms")
		b.ReportMetric(median(row.alone).Seconds()/median(row.beside).Seconds(), row.name+"-ratio")
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// refreshAll runs an agent over fleets of which f is the one that has answers.
// It returns how long f's responder took to be asked about all n, and how long
// new certificates had to wait, several times each.
func (f *fleet) refreshAll(b *testing.B, n int, fleets ...*fleet) (all, one []time.Duration) {
	b.Helper()
	p, err := profile.ByName("generic")
	if err != nil {
		b.Fatal(err)
	}
	group := agent.Group{Profile: p, UID: -1, GID: -1}
	for _, x := range fleets {
		group.Sources = append(group.Sources, watcher.Source{Path: x.dir})
	}
	a, err := agent.New(agent.Options{Groups: []agent.Group{group}, Client: f.client, StateDir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer start(b, a)()
	wait := func(what string, ok func() bool) time.Duration {
		begun := time.Now()
		for !ok() {
			if time.Since(begun) > time.Minute {
				b.Fatalf("not within a minute: %s", what)
			}
			time.Sleep(500 * time.Microsecond)
		}
		return time.Since(begun)
	}
	known := n
	for _, x := range fleets[1:] {
		known += hanging
		before := x.responder.Received()
		wait("the others are asked about", func() bool { return x.responder.Received() > before })
	}
	wait("all are read", func() bool {
		t, ok := a.Tally(b.Context())
		return ok && t.States[agent.Fresh] == n && t.States[agent.Fresh]+t.Failing == known
	})
	for range 7 {
		before := f.responder.Received()
		if _, err := a.Refresh(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		all = append(all, wait("all are asked about", func() bool { return f.responder.Received() >= before+int64(n) }))
	}
	for i := range 7 {
		one = append(one, f.newcomer(b, i))
	}
	return all, one
}
