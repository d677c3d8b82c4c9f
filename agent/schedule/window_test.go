package schedule

import (
	"testing"
	"time"
)

const day = 24 * time.Hour

var (
	noon     = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	year9999 = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)
)

const (
	noJitter  uint64 = 0
	allJitter uint64 = 1<<64 - 1
)

func TestAStapleIsRefreshedInTheMiddleOfItsWindowLessTheJitter(t *testing.T) {
	for _, test := range []struct {
		name            string
		window          time.Duration
		latest, soonest time.Duration // after thisUpdate
	}{
		{"two minutes", 2 * time.Minute, time.Minute, 48 * time.Second},
		{"ten minutes", 10 * time.Minute, 5 * time.Minute, 4 * time.Minute},
		{"seven days", 7 * day, 84 * time.Hour, 67*time.Hour + 12*time.Minute},
		{"ten days, the longest that counts", 10 * day, 5 * day, 4 * day},
		{"a year", 365 * day, 5 * day, 4 * day},
		{"ended before it began", -day, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			expires := noon.Add(test.window)
			if got, want := RefreshAt(noon, expires, noJitter), noon.Add(test.latest); !got.Equal(want) {
				t.Errorf("without jitter: got %v, want %v", got, want)
			}
			got, want := RefreshAt(noon, expires, allJitter), noon.Add(test.soonest)
			if got.Sub(want).Abs() > time.Microsecond {
				t.Errorf("with all jitter: got %v, want %v", got, want)
			}
		})
	}
}

func TestWarningAlarmAndWithdrawalComeBeforeTheEnd(t *testing.T) {
	for _, test := range []struct {
		name                          string
		window                        time.Duration
		urgent, alarm, withdraw, last time.Duration // before the end
	}{
		{"two minutes", 2 * time.Minute, 30 * time.Second, 15 * time.Second, 15 * time.Second, 15 * time.Second},
		{"ten minutes", 10 * time.Minute, 150 * time.Second, 75 * time.Second, 75 * time.Second, time.Minute},
		{"one hour", time.Hour, 15 * time.Minute, 450 * time.Second, 5 * time.Minute, time.Minute},
		{"four hours", 4 * time.Hour, time.Hour, time.Hour, 5 * time.Minute, time.Minute},
		{"eight hours", 8 * time.Hour, 2 * time.Hour, time.Hour, 5 * time.Minute, time.Minute},
		{"one day", day, 6 * time.Hour, 3 * time.Hour, 5 * time.Minute, time.Minute},
		{"seven days", 7 * day, 42 * time.Hour, 21 * time.Hour, 5 * time.Minute, time.Minute},
		{"ended before it began", -day, 0, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			expires := noon.Add(test.window)
			for _, row := range []struct {
				what string
				at   time.Time
				want time.Duration
			}{
				{"urgent", UrgentAt(noon, expires), test.urgent},
				{"alarm", AlarmAt(noon, expires), test.alarm},
				{"withdraw", WithdrawAt(noon, expires), test.withdraw},
				{"last moment", LastMomentAt(noon, expires), test.last},
			} {
				if got := expires.Sub(row.at); got != row.want {
					t.Errorf("%s: got %v before the end, want %v", row.what, got, row.want)
				}
			}
		})
	}
}

func TestTheStepsOfALifeAreInOrderForEveryWindow(t *testing.T) {
	for w := time.Second; w < 40*365*day; w += w/7 + time.Second {
		expires := noon.Add(w)
		steps := []time.Time{noon, RefreshAt(noon, expires, allJitter), RefreshAt(noon, expires, noJitter),
			UrgentAt(noon, expires), AlarmAt(noon, expires), WithdrawAt(noon, expires), LastMomentAt(noon, expires), expires}
		for i, at := range steps[1:] {
			if at.Before(steps[i]) {
				t.Fatalf("window %v: step %d at %v is before step %d at %v", w, i+1, at, i, steps[i])
			}
		}
	}
}

func TestTimesAtTheEndOfTheWorldDoNotOverflow(t *testing.T) {
	for _, test := range []struct {
		name            string
		this, expires   time.Time
		soonest, latest time.Time // for every result
	}{
		{"the year 9999", noon, year9999, noon, year9999},
		{"no thisUpdate", time.Time{}, noon, time.Time{}, noon},
		{"no staple", time.Time{}, time.Time{}, time.Time{}, time.Time{}},
		{"all there is", time.Time{}, year9999, time.Time{}, year9999},
		{"backwards", year9999, time.Time{}, time.Time{}, year9999},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, got := range map[string]time.Time{
				"refresh":         RefreshAt(test.this, test.expires, noJitter),
				"refresh, sooner": RefreshAt(test.this, test.expires, allJitter),
				"urgent":          UrgentAt(test.this, test.expires),
				"alarm":           AlarmAt(test.this, test.expires),
				"withdraw":        WithdrawAt(test.this, test.expires),
				"last moment":     LastMomentAt(test.this, test.expires),
			} {
				if got.Before(test.soonest) || got.After(test.latest) {
					t.Errorf("%s: got %v, want it between %v and %v", what, got, test.soonest, test.latest)
				}
			}
			for _, now := range []time.Time{{}, noon, year9999} {
				if got := NotNewerIn(test.this, test.expires, now); got < shortest || got > 12*time.Hour {
					t.Errorf("not newer at %v: got %v", now, got)
				}
				for _, attempt := range []int{-1, 0, 1, 100, 1 << 62} {
					if got := RetryIn(attempt, test.this, test.expires, now, allJitter); got < shortest*4/5 || got > time.Hour {
						t.Errorf("retry %d at %v: got %v", attempt, now, got)
					}
				}
			}
		})
	}
}

func TestAResponseForEverIsStillRefreshedInDays(t *testing.T) {
	if got, want := RefreshAt(noon, year9999, noJitter), noon.Add(5*day); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
