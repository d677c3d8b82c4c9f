package schedule

import (
	"testing"
	"time"
)

func TestAKeyIsAFunctionOfLeafAndHost(t *testing.T) {
	a, b := [32]byte{1}, [32]byte{2}
	if got, want := Key(a, "web1"), uint64(0xe56185639e26cb2b); got != want {
		t.Errorf("got %#x, want %#x as ever: a restart must not move refreshes", got, want)
	}
	if Key(a, "web1") == Key(b, "web1") {
		t.Error("two leaves share a key")
	}
	if Key(a, "web1") == Key(a, "web2") {
		t.Error("two hosts share a key")
	}
}

func TestRefreshesOfManyLeavesAreSpreadEvenly(t *testing.T) {
	const leaves, slots = 10000, 10
	var counts [slots]int
	expires := noon.Add(7 * day)
	first, last := RefreshAt(noon, expires, allJitter), RefreshAt(noon, expires, noJitter)
	for i := range leaves {
		at := RefreshAt(noon, expires, Key([32]byte{byte(i), byte(i >> 8)}, "web1"))
		if at.Before(first) || at.After(last) {
			t.Fatalf("leaf %d is due at %v, outside of %v and %v", i, at, first, last)
		}
		counts[min(slots-1, int(at.Sub(first)/(last.Sub(first)/slots)))]++
	}
	for i, n := range counts {
		if n < leaves/slots*8/10 || n > leaves/slots*12/10 {
			t.Errorf("slot %d of %d has %d of %d leaves", i, slots, n, leaves)
		}
	}
}

func TestPartsLieBetweenNothingAndAll(t *testing.T) {
	for _, test := range []struct {
		key     uint64
		d, want time.Duration
	}{
		{0, time.Hour, 0},
		{1 << 63, time.Hour, 30 * time.Minute},
		{allJitter, time.Hour, time.Hour - 1},
		{allJitter, 0, 0},
		{allJitter, -time.Hour, 0},
		{allJitter, 1<<63 - 1, 1<<63 - 2},
	} {
		if got := part(test.key, test.d); got != test.want {
			t.Errorf("part(%d, %v): got %v, want %v", test.key, test.d, got, test.want)
		}
	}
}
