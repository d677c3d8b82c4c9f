package schedule_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/schedule"
)

type member struct{ schedule.Slot }

func TestQueueGivesTheEarliestFirst(t *testing.T) {
	var q schedule.Queue[*member]
	if _, _, ok := q.First(); ok {
		t.Fatal("an empty queue has a first member")
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2))
	members := make([]*member, 200)
	in := 0
	for i := range members {
		members[i] = new(member)
	}
	for range 5000 {
		m := members[random.IntN(len(members))]
		if was := m.At.IsZero(); random.IntN(4) == 0 {
			m.At = time.Time{}
			if !was {
				in--
			}
		} else {
			m.At = start.Add(time.Duration(random.IntN(1e6)) * time.Second)
			if was {
				in++
			}
		}
		q.Set(m)
		want := time.Time{}
		for _, m := range members {
			if !m.At.IsZero() && (want.IsZero() || m.At.Before(want)) {
				want = m.At
			}
		}
		if _, at, ok := q.First(); ok != (in > 0) || !at.Equal(want) {
			t.Fatalf("got %v, %v; want %v", at, ok, want)
		}
	}
	for last := (time.Time{}); in > 0; in-- {
		m, at, ok := q.First()
		if !ok || at.Before(last) || !at.Equal(m.At) {
			t.Fatalf("got %v after %v, %v", at, last, ok)
		}
		last, m.At = at, time.Time{}
		q.Set(m)
	}
	if _, _, ok := q.First(); ok {
		t.Error("the queue is not empty at the end")
	}
}
