package schedule

import (
	"testing"
	"time"
)

func TestAnAnswerThatIsNotNewerIsAskedForAgainLater(t *testing.T) {
	for _, test := range []struct {
		name   string
		window time.Duration
		left   time.Duration
		want   time.Duration
	}{
		{"two minutes, half-time", 2 * time.Minute, time.Minute, 15 * time.Second},
		{"ten minutes, half-time", 10 * time.Minute, 5 * time.Minute, 75 * time.Second},
		{"ten minutes, one left", 10 * time.Minute, time.Minute, 15 * time.Second},
		{"ten minutes, seconds left", 10 * time.Minute, 4 * time.Second, shortest},
		{"four hours, half-time", 4 * time.Hour, 2 * time.Hour, 30 * time.Minute},
		{"eight hours, half-time", 8 * time.Hour, 4 * time.Hour, time.Hour},
		{"one day, half-time", day, 12 * time.Hour, 72 * time.Minute},
		{"seven days, half-time", 7 * day, 84 * time.Hour, 8*time.Hour + 24*time.Minute},
		{"seven days, the last quarter", 7 * day, 32 * time.Hour, 8 * time.Hour},
		{"seven days, eight hours left", 7 * day, 8 * time.Hour, 2 * time.Hour},
		{"seven days, minutes left", 7 * day, 20 * time.Minute, 5 * time.Minute},
		{"seven days, over", 7 * day, -time.Hour, 8*time.Hour + 24*time.Minute},
		{"a year, half-time", 365 * day, 180 * day, 12 * time.Hour},
		{"the clock was set back", 7 * day, 70 * day, 8*time.Hour + 24*time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			expires := noon.Add(test.window)
			if got := NotNewerIn(noon, expires, expires.Add(-test.left)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if got := NotNewerIn(time.Time{}, time.Time{}, noon); got != time.Hour {
		t.Errorf("without a staple: got %v, want an hour", got)
	}
}

func TestFailuresAreRetriedWithBackoff(t *testing.T) {
	type pauses []time.Duration // for attempts 1, 2, 3, …
	for _, test := range []struct {
		name   string
		window time.Duration
		left   time.Duration
		want   pauses
	}{
		{"seven days, half-time", 7 * day, 84 * time.Hour, pauses{time.Minute, 2 * time.Minute, 4 * time.Minute,
			8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}},
		{"seven days, the last quarter", 7 * day, 42 * time.Hour, pauses{time.Minute, 2 * time.Minute, 4 * time.Minute,
			8 * time.Minute, 15 * time.Minute, 15 * time.Minute}},
		{"seven days, a minute left", 7 * day, time.Minute, pauses{15 * time.Second, 15 * time.Second}},
		{"seven days, over", 7 * day, -day, pauses{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute,
			15 * time.Minute, 15 * time.Minute}},
		{"one hour, half-time", time.Hour, 30 * time.Minute, pauses{time.Minute, 2 * time.Minute, 3 * time.Minute, 3 * time.Minute}},
		{"ten minutes, half-time", 10 * time.Minute, 5 * time.Minute, pauses{15 * time.Second, 30 * time.Second, 30 * time.Second}},
		{"ten minutes, over", 10 * time.Minute, 0, pauses{15 * time.Second, 30 * time.Second, time.Minute,
			2 * time.Minute, 150 * time.Second, 150 * time.Second}},
		{"two minutes, half-time", 2 * time.Minute, time.Minute, pauses{5 * time.Second, 6 * time.Second, 6 * time.Second}},
		{"two minutes, over", 2 * time.Minute, 0, pauses{5 * time.Second, 10 * time.Second, 20 * time.Second,
			40 * time.Second, time.Minute}},
	} {
		t.Run(test.name, func(t *testing.T) {
			expires := noon.Add(test.window)
			for i, want := range test.want {
				checkRetry(t, i+1, noon, expires, expires.Add(-test.left), want)
			}
		})
	}
	t.Run("no staple", func(t *testing.T) {
		for attempt := 1; attempt <= 15; attempt++ {
			checkRetry(t, attempt, time.Time{}, time.Time{}, noon, time.Minute)
		}
		for i, want := range []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute,
			32 * time.Minute, time.Hour, time.Hour} {
			checkRetry(t, 16+i, time.Time{}, time.Time{}, noon, want)
		}
	})
}

// checkRetry checks that the pause is want less a jitter of up to a fifth, and
// that the jitter is used.
func checkRetry(t *testing.T, attempt int, this, expires, now time.Time, want time.Duration) {
	t.Helper()
	lowest, highest := want, time.Duration(0)
	for key := range uint64(100) {
		got := RetryIn(attempt, this, expires, now, key)
		if got > want || got < want-want/5 {
			t.Fatalf("attempt %d: got %v, want %v less at most a fifth", attempt, got, want)
		}
		lowest, highest = min(lowest, got), max(highest, got)
	}
	if highest-lowest < want/10 {
		t.Errorf("attempt %d: pauses of 100 keys lie between %v and %v, want them spread", attempt, lowest, highest)
	}
}

func TestTheJitterOfARetryDiffersByAttemptAndNotByCall(t *testing.T) {
	expires := noon.Add(7 * day)
	retry := func(attempt int) time.Duration { return RetryIn(attempt, noon, expires, noon, 7) }
	if a, b := retry(10), retry(10); a != b {
		t.Errorf("the same attempt got %v and %v", a, b)
	}
	if a, b := retry(10), retry(11); a == b {
		t.Errorf("attempts 10 and 11 both got %v", a)
	}
}

func TestRequestsUntilTheEndStayFew(t *testing.T) {
	for _, w := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour, day, 7 * day, 365 * day} {
		expires := noon.Add(w)
		requests := 0
		for at := RefreshAt(noon, expires, noJitter); at.Before(expires); requests++ {
			at = at.Add(NotNewerIn(noon, expires, at))
		}
		if most := 60 + int(w/(12*time.Hour)); requests < 3 || requests > most {
			t.Errorf("window %v: %d requests for an answer that never becomes newer", w, requests)
		}
	}
}

func TestCachesThatLetGoBringTheNextRequestForward(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		window, fresh time.Duration // fresh: from now on; 0: unsaid
		from, to      time.Duration
	}{
		"unsaid":                            {window: 7 * day, from: 504 * time.Minute, to: 504 * time.Minute},
		"in two hours":                      {window: 7 * day, fresh: 2 * time.Hour, from: 2 * time.Hour, to: 159 * time.Minute},
		"at once":                           {window: 7 * day, fresh: time.Second, from: time.Hour, to: 105 * time.Minute},
		"long ago":                          {window: 7 * day, fresh: -time.Hour, from: time.Hour, to: 105 * time.Minute},
		"later than we would have asked":    {window: 7 * day, fresh: 3 * day, from: 504 * time.Minute, to: 504 * time.Minute},
		"in a minute, and the window short": {window: 4 * time.Hour, fresh: time.Minute, from: 30 * time.Minute, to: 30 * time.Minute},
	} {
		this, ends := at.Add(-row.window/2), at.Add(row.window/2)
		fresh := time.Time{}
		if row.fresh != 0 {
			fresh = at.Add(row.fresh)
		}
		for _, key := range []uint64{0, 1 << 63, 1<<64 - 1} {
			got := SoonerIn(NotNewerIn(this, ends, at), this, ends, fresh, at, key)
			if got < row.from || got > row.to {
				t.Errorf("%s: got %v, want %v to %v", name, got, row.from, row.to)
			}
		}
	}
}
