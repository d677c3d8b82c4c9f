package responder

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

func TestRetryAfter(t *testing.T) {
	for _, row := range []struct {
		name string
		h    http.Header
		want time.Duration
	}{
		{"none", header(), 0},
		{"seconds", header("Retry-After", "120"), 2 * time.Minute},
		{"zero", header("Retry-After", "0"), 0},
		{"negative", header("Retry-After", "-5"), 0},
		{"fraction", header("Retry-After", "1.5"), 0},
		{"words", header("Retry-After", "soon"), 0},
		{"a year", header("Retry-After", "31536000"), 24 * time.Hour},
		{"beyond numbers", header("Retry-After", strings.Repeat("9", 40)), 24 * time.Hour},
		{"a date", header("Retry-After", httpTime(noon.Add(time.Minute))), time.Minute},
		{"a date that has passed", header("Retry-After", httpTime(noon.Add(-time.Minute))), 0},
		{"a date by a clock that is off", header("Retry-After", httpTime(noon.Add(time.Hour)),
			"Date", httpTime(noon.Add(59*time.Minute))), time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := retryAfter(row.h, noon); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestFreshUntil(t *testing.T) {
	for _, row := range []struct {
		name string
		h    http.Header
		want time.Duration // from now; 0: unsaid
	}{
		{"nothing", header(), 0},
		{"max-age", header("Cache-Control", "public, max-age=3600, no-transform"), time.Hour},
		{"max-age in another line", header("Cache-Control", "public", "Cache-Control", "MAX-AGE=60"), time.Minute},
		{"quoted", header("Cache-Control", `max-age="60"`), time.Minute},
		{"already old", header("Cache-Control", "max-age=3600", "Age", "600"), 50 * time.Minute},
		{"too old", header("Cache-Control", "max-age=60", "Age", "600"), 0},
		{"not to be kept", header("Cache-Control", "max-age=60, no-store"), 0},
		{"max-age wins", header("Cache-Control", "max-age=60", "Expires", httpTime(noon.Add(time.Hour))), time.Minute},
		{"junk max-age", header("Cache-Control", "max-age=soon", "Expires", httpTime(noon.Add(time.Hour))), time.Hour},
		{"Expires by the local clock", header("Expires", httpTime(noon.Add(time.Hour))), time.Hour},
		{"Expires by the responder's clock", header("Expires", httpTime(noon.Add(3*time.Hour)),
			"Date", httpTime(noon.Add(2*time.Hour))), time.Hour},
		{"Expires: 0", header("Expires", "0"), 0},
		{"for ever", header("Cache-Control", "max-age=99999999999999999999"), (1 << 31) * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := time.Time{}
			if row.want != 0 {
				want = noon.Add(row.want)
			}
			if got := freshUntil(row.h, noon); !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestSkewTakesAgeIntoAccount(t *testing.T) {
	for _, row := range []struct {
		name string
		h    http.Header
		want time.Duration
	}{
		{"none", header(), 0},
		{"exact", header("Date", httpTime(noon)), 0},
		{"ours is ahead", header("Date", httpTime(noon.Add(-time.Hour))), time.Hour},
		{"ours is behind", header("Date", httpTime(noon.Add(time.Hour))), -time.Hour},
		{"out of a cache", header("Date", httpTime(noon.Add(-time.Hour)), "Age", "3600"), 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, _ := skew(row.h, noon); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	f.Add("120", "max-age=3600, public", "0", httpTime(noon), `"etag"`)
	f.Add(httpTime(noon), "no-store", "x", "Thu, 01 Jan 1970 00:00:00 GMT", "a\nb")
	f.Add("99999999999999999999", "max-age=\"1", "-1", httpTime(noon.AddDate(7000, 0, 0)), "W/\"\"")
	f.Fuzz(func(t *testing.T, retry, control, age, date, etag string) {
		h := header("Retry-After", retry, "Cache-Control", control, "Age", age, "Expires", date, "Date", date, "ETag", etag)
		if got := retryAfter(h, noon); got < 0 || got > maxRetryAfter {
			t.Errorf("Retry-After %q is %v", retry, got)
		}
		if got := freshUntil(h, noon); !got.IsZero() && !got.After(noon) {
			t.Errorf("fresh until %v", got)
		}
		skew(h, noon)
		if v := validators(h).ETag; strings.ContainsAny(v, "\r\n\x00") || len(v) > 256 {
			t.Errorf("ETag %q would be sent back", v)
		}
	})
}
