package responder

import (
	"context"
	"errors"
	"testing"
	"time"
)

// play starts as many jobs as the lane allows, lets them all end with v, and
// returns how many there were. The lane's queue never ends.
func play(n *lane, v Verdict, now time.Time) int {
	var turns []int
	for {
		n.queue = append(n.queue, &job{})
		if ok, _ := n.ready(now); !ok {
			break
		}
		_, turn := n.start(now)
		turns = append(turns, turn)
	}
	for _, turn := range turns {
		n.finish(v, turn, now)
	}
	return len(turns)
}

func TestLimitGrowsFastToItsMaximum(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32})
	for _, want := range []int{4, 16, 32, 32} {
		if got := play(n, LaneGood, noon); got != want {
			t.Fatalf("in flight: got %d, want %d", got, want)
		}
	}
	if n.limit != 32 {
		t.Errorf("limit: got %d, want 32", n.limit)
	}
}

func TestLimitHalvesOncePerRoundAndGrowsSlowlyAfter(t *testing.T) {
	n := newLane("r", 32, LaneLimits{Max: 32})
	for range 32 {
		n.queue = append(n.queue, &job{})
		n.start(noon)
	}
	for turn := 1; turn <= 5; turn++ { // of one moment
		n.finish(LaneOverloaded, turn, noon)
	}
	if n.limit != 16 {
		t.Fatalf("limit: got %d, want 16", n.limit)
	}
	for turn := 6; turn <= 32; turn++ {
		n.finish(LaneNeutral, turn, noon)
	}
	for _, want := range []int{16, 17, 18} {
		if got := play(n, LaneGood, noon); got != want {
			t.Fatalf("in flight: got %d, want %d", got, want)
		}
	}
	play(n, LaneNeutral, noon)
	if n.limit != 19 {
		t.Errorf("limit: got %d, want 19", n.limit)
	}
}

func TestLaneThatIsNotFullDoesNotGrow(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32})
	for range 100 {
		n.queue = append(n.queue, &job{})
		_, turn := n.start(noon)
		n.finish(LaneGood, turn, noon)
	}
	if n.limit != 4 {
		t.Errorf("limit: got %d, want 4", n.limit)
	}
}

func TestSilentResponderGoesDownAndIsProbedWithPauses(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32})
	now := noon
	for _, want := range []int{4, 2} {
		if got := play(n, LaneSilent, now); got != want {
			t.Fatalf("in flight: got %d, want %d", got, want)
		}
	}
	if !n.down {
		t.Fatalf("not down after %d silent jobs", n.silent)
	}
	for _, pause := range []time.Duration{1, 4, 16, 60, 60} {
		pause *= time.Second
		if got := play(n, LaneSilent, now.Add(pause-1)); got != 0 {
			t.Fatalf("asked %d times before %v had passed", got, pause)
		}
		if got := n.closedUntil(now); !got.Equal(now.Add(pause)) {
			t.Errorf("closed until %v, want %v", got, now.Add(pause))
		}
		now = now.Add(pause)
		if got := play(n, LaneSilent, now); got != 1 {
			t.Fatalf("after %v: %d probes, want 1", pause, got)
		}
	}
	now = now.Add(time.Minute)
	for _, want := range []int{1, 4, 16} {
		if got := play(n, LaneGood, now); got != want {
			t.Fatalf("back again: in flight: got %d, want %d", got, want)
		}
	}
}

func TestResponderThatOnlyRefusesGoesDownLater(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32})
	asked := 0
	for !n.down && asked < 1000 {
		asked += play(n, LaneOverloaded, noon)
	}
	if asked != badStreak {
		t.Errorf("down after %d, want %d", asked, badStreak)
	}
	// A probe that is refused is no reason to ask again at once.
	at := n.openAt
	if got := play(n, LaneOverloaded, at); got != 1 || !n.openAt.After(at) {
		t.Errorf("%d probes, the next at %v", got, n.openAt.Sub(at))
	}
}

func TestRefusedProbeIsAFailedProbe(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32})
	for !n.down {
		play(n, LaneSilent, noon)
	}
	at := n.openAt
	if got := play(n, LaneOverloaded, at); got != 1 || !n.down || n.openAt.Sub(at) != 4*time.Second {
		t.Errorf("%d probes, down %v, the next in %v", got, n.down, n.openAt.Sub(at))
	}
}

func TestSomeRefusalsDoNotCloseALane(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32})
	for range 100 {
		play(n, LaneOverloaded, noon)
		play(n, LaneGood, noon)
	}
	if n.down || n.limit < 1 {
		t.Errorf("down %v, limit %d", n.down, n.limit)
	}
}

func TestStragglersDoNotCountAgainstAProbe(t *testing.T) {
	n := newLane("r", 8, LaneLimits{Max: 8})
	for range 8 {
		n.queue = append(n.queue, &job{})
		n.start(noon)
	}
	for turn := 1; turn <= 6; turn++ {
		n.finish(LaneSilent, turn, noon)
	}
	if !n.down || n.pause != time.Second {
		t.Fatalf("down %v, pause %v", n.down, n.pause)
	}
	n.finish(LaneSilent, 7, noon)
	if n.pause != time.Second {
		t.Errorf("a straggler made the pause %v", n.pause)
	}
	if revived := n.finish(LaneGood, 8, noon); !revived || n.down {
		t.Errorf("an answer did not bring it back")
	}
}

func TestJobsStartedBeforeItWentDownAreNoProbes(t *testing.T) {
	n := newLane("r", 8, LaneLimits{Max: 8})
	for range 13 {
		n.queue = append(n.queue, &job{})
	}
	for range 8 {
		n.start(noon)
	}
	n.finish(LaneSilent, 1, noon) // halves the limit
	for turn := 2; turn <= 5; turn++ {
		n.finish(LaneSilent, turn, noon)
	}
	n.start(noon) // turn 9, after the cut
	n.finish(LaneSilent, 6, noon)
	if !n.down || n.pause != time.Second {
		t.Fatalf("down %v, pause %v", n.down, n.pause)
	}
	n.finish(LaneSilent, 9, noon)
	if n.pause != time.Second {
		t.Errorf("a straggler made the pause %v", n.pause)
	}
}

func TestRateAndHold(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32, Rate: 2})
	if got := play(n, LaneGood, noon); got != 1 {
		t.Errorf("at 2 a second: %d at once, want 1", got)
	}
	if got := play(n, LaneGood, noon.Add(499*time.Millisecond)); got != 0 {
		t.Errorf("after 499 ms: %d, want 0", got)
	}
	now := noon.Add(500 * time.Millisecond)
	if got := play(n, LaneGood, now); got != 1 {
		t.Errorf("after 500 ms: %d, want 1", got)
	}
	n.hold(time.Minute, now)
	n.hold(time.Second, now) // the longer one counts
	if got := play(n, LaneGood, now.Add(59*time.Second)); got != 0 {
		t.Errorf("on hold: %d, want 0", got)
	}
	if s := n.state(now); s.State != "held" || !s.Until.Equal(now.Add(time.Minute)) {
		t.Errorf("state: got %+v", s)
	}
	if got := play(n, LaneGood, now.Add(time.Minute)); got != 1 {
		t.Errorf("after the hold: %d, want 1", got)
	}
}

func TestTinyRateIsStillARate(t *testing.T) {
	n := newLane("r", 4, LaneLimits{Max: 32, Rate: 1e-300})
	if got := play(n, LaneGood, noon) + play(n, LaneGood, noon.Add(time.Minute)); got != 1 {
		t.Errorf("%d in a minute, want 1", got)
	}
}

func TestVerdictOfEachKind(t *testing.T) {
	for _, row := range []struct {
		e    Error
		want Verdict
	}{
		{Error{Kind: KindURL}, LaneNeutral},
		{Error{Kind: KindRequest}, LaneNeutral},
		{Error{Kind: KindDNS}, LaneSilent},
		{Error{Kind: KindRefused}, LaneNeutral},
		{Error{Kind: KindConnect}, LaneSilent},
		{Error{Kind: KindTLS}, LaneSilent},
		{Error{Kind: KindProxy, Status: 407}, LaneSilent},
		{Error{Kind: KindTimeout}, LaneSilent},
		{Error{Kind: KindInterrupted}, LaneSilent},
		{Error{Kind: KindHTTP, Status: 404}, LaneGood},
		{Error{Kind: KindHTTP, Status: 429}, LaneOverloaded},
		{Error{Kind: KindHTTP, Status: 503}, LaneOverloaded},
		{Error{Kind: KindRedirect}, LaneNeutral},
		{Error{Kind: KindTooLarge}, LaneGood},
		{Error{Kind: KindDown}, LaneNeutral},
		{Error{Kind: KindCanceled}, LaneNeutral},
	} {
		if got := row.e.Verdict(); got != row.want {
			t.Errorf("%s %d: got %v, want %v", row.e.Kind, row.e.Status, got, row.want)
		}
	}
}

func TestJobThatIsHandedBackAsksNobody(t *testing.T) {
	c := newClient(t, Options{})
	until := time.Now().Add(time.Hour)
	ctx := context.WithValue(t.Context(), downKey{}, &DownError{Host: "r", Until: until, Held: true})
	_, err := c.Ask(ctx, Query{URL: "http://127.0.0.1:9/", Chain: testChain(t)})
	e := checkError(t, nil, err, KindDown)
	if down, ok := errors.AsType[*DownError](err); !ok || !down.Until.Equal(until) {
		t.Errorf("got %v", err)
	}
	if e.RetryAfter < 59*time.Minute {
		t.Errorf("retry after %v", e.RetryAfter)
	}
}
