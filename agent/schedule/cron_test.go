package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestCronNamesTheNextTime(t *testing.T) {
	for _, test := range []struct {
		expr, from, want string
	}{
		{"* * * * *", "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"},
		{"* * * * *", "2026-03-01T11:59:59.999999999Z", "2026-03-01T12:00:00Z"},
		{" 30 2 * * * ", "2026-03-01T12:00:00Z", "2026-03-02T02:30:00Z"},
		{"*/15 9-17 * * mon-fri", "2026-03-01T12:00:00Z", "2026-03-02T09:00:00Z"},
		{"0 0 29 2 *", "2026-03-01T12:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 29 2 *", "2096-03-01T12:00:00Z", "2104-02-29T00:00:00Z"},
		{"@daily", "2026-03-01T12:00:00Z", "2026-03-02T00:00:00Z"},
		{"TZ=UTC @daily", "2026-03-01T12:00:00+05:00", "2026-03-02T00:00:00Z"},
		{"CRON_TZ=UTC 30 2 * * *", "2026-03-01T12:00:00+05:00", "2026-03-02T02:30:00Z"},
		{"@every 1h", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"},
		{"@every 1h", "2026-03-01T12:59:59.5Z", "2026-03-01T13:00:00Z"},
		{"@every 7s", "1970-01-01T00:00:01Z", "1970-01-01T00:00:07Z"},
		{"@every 7s", "1970-01-01T00:00:07Z", "1970-01-01T00:00:14Z"},
		{"@every 7s", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"},
	} {
		t.Run(test.expr+" from "+test.from, func(t *testing.T) {
			c, err := ParseCron(test.expr)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := c.Next(parse(t, test.from)), parse(t, test.want); !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestCronRefusesWhatWouldNeverOrAlwaysFire(t *testing.T) {
	for _, test := range []struct{ expr, want string }{
		{"", "empty"},
		{"   ", "empty"},
		{"* * * *", "expected exactly 5 fields"},
		{"* * * * * *", "expected exactly 5 fields"},
		{"61 * * * *", "above maximum"},
		{"*/0 * * * *", "positive"},
		{", * * * *", "stray comma"},
		{"1,,2 * * * *", "stray comma"},
		{"0 0 30 2 *", "never comes true"},
		{"0 0 31 4,6,9,11 *", "never comes true"},
		{"TZ=UTC", "nothing follows"},
		{"TZ=UTC ", "nothing follows"},
		{"CRON_TZ=UTC", "nothing follows"},
		{"TZ= * * * * *", "no time zone"},
		{"TZ=Nowhere/Land * * * * *", `there is no time zone "Nowhere/Land" here`},
		{"TZ=UTC @every 1h", "no time zone"},
		{"@every -5m", "too often"},
		{"@every 0s", "too often"},
		{"@every 10ms", "too often"},
		{"@every soon", "not a duration"},
		{"@every", "want one of @hourly"},
		{"@sometimes", "@sometimes is not known"},
		{"* * * * SUNDAY", `"SUNDAY" is neither a number nor a name such as MON or JAN`},
	} {
		t.Run(test.expr, func(t *testing.T) {
			_, err := ParseCron(test.expr)
			if err == nil {
				t.Fatalf("accepted, want an error with %q", test.want)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to contain %q", err, test.want)
			}
		})
	}
}

func TestTurnsAreSpreadAfterTheTimeThatTheScheduleNames(t *testing.T) {
	for _, test := range []struct {
		expr string
		open time.Duration
	}{
		{"* * * * *", time.Minute},
		{"@every 20s", 20 * time.Second},
		{"*/5 * * * *", time.Minute},
		{"0 * * * *", 6 * time.Minute},
		{"30 2 * * *", time.Hour},
		{"0 0 1 1 *", time.Hour},
	} {
		t.Run(test.expr, func(t *testing.T) {
			c, err := ParseCron(test.expr)
			if err != nil {
				t.Fatal(err)
			}
			at := noon.Add(time.Second) // a whole fleet is due then
			tick, urgent := c.Next(at), at.AddDate(5, 0, 0)
			turns := make(map[time.Time]bool)
			for n := range uint64(1000) {
				turn := c.Turn(at, urgent, mix(n))
				if turn.Before(tick) || !turn.Before(tick.Add(test.open)) {
					t.Fatalf("turn at %v, want within %v after %v", turn, test.open, tick)
				}
				turns[turn.Truncate(test.open/10)] = true
				if again := c.Turn(at, urgent, mix(n)); !again.Equal(turn) {
					t.Fatalf("the same leaf has its turn at %v and at %v", turn, again)
				}
			}
			if len(turns) < 9 {
				t.Errorf("1000 leaves lie in %d tenths of what is open to them, want all", len(turns))
			}
			for _, urgent := range []time.Time{at, tick, tick.Add(time.Second)} {
				if turn := c.Turn(at, urgent, allJitter); turn.After(urgent) {
					t.Errorf("turn at %v, although it is urgent at %v", turn, urgent)
				}
			}
		})
	}
}

func FuzzParseCron(f *testing.F) {
	for _, expr := range []string{"* * * * *", "TZ=UTC", "TZ=UTC @daily", "@every -5m", "@every 1h", "0 0 30 2 *",
		"*/15 9-17 1,15 jan-mar mon", "? ? ? ? ?", "CRON_TZ=UTC 0 0 29 2 *", "1-2-3 * * * *", "1/2/3 * * * *"} {
		f.Add(expr, int64(1772366400))
	}
	f.Fuzz(func(t *testing.T, expr string, seconds int64) {
		c, err := ParseCron(expr)
		if err != nil {
			return
		}
		from := time.Unix(seconds%(1<<36), 0).UTC() // until about the year 4000
		if next := c.Next(from); !next.IsZero() && !next.After(from) {
			t.Errorf("%q: the next time after %v is %v", expr, from, next)
		}
	})
}

func parse(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
