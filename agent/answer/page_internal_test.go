package answer

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/staple"
)

// Caches ask again when there may be something newer, and never so late that what
// they have has ended.
func TestCachesAskAgainWhenThereMayBeANewerOne(t *testing.T) {
	const week = 7 * day
	for _, test := range []struct {
		name   string
		window time.Duration // 0: there is no nextUpdate, and a day is taken for it
		age    time.Duration
		want   string
	}{
		{"a week, just made", week, 0, "302400"},
		{"a week, a day old", week, day, "216000"},
		{"a week, a second before the middle", week, week/2 - time.Second, "1"},
		{"a week, in the middle", week, week / 2, "3600"},
		{"a week, past the middle", week, 5 * day, "3600"},
		{"a week, two hours before the end", week, week - 2*time.Hour, "1800"},
		{"a week, a minute before the end", week, week - time.Minute, "15"},
		{"a week, at the end", week, week, "0"},
		{"a week, and ended", week, week + time.Hour, "0"},
		{"ten minutes", 10 * time.Minute, time.Minute, "240"},
		{"ten minutes, past the middle", 10 * time.Minute, 6 * time.Minute, "60"},
		{"not even made", week, -time.Hour, "306000"},
		{"for ever", 290 * 365 * day, 0, "432000"},
		{"for ever, and a year old", 290 * 365 * day, 365 * day, "3600"},
		{"no nextUpdate", 0, 10 * time.Minute, "3000"},
		{"no nextUpdate, an hour old", 0, time.Hour, "3600"},
		{"no nextUpdate, 22 hours old", 0, 22 * time.Hour, "1800"},
		{"no nextUpdate, and ended", 0, day, "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := &staple.Staple{Status: staple.Good, ThisUpdate: noon, Expires: noon.Add(day)}
			if test.window > 0 {
				st.NextUpdate = noon.Add(test.window)
				st.Expires = st.NextUpdate
			}
			now := noon.Add(test.age)
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				w := httptest.NewRecorder()
				newPage(st).send(w, httptest.NewRequest(method, "/", nil), now)
				got := w.Header()
				if want := "max-age=" + test.want + ", public, no-transform, must-revalidate"; got.Get("Cache-Control") != want {
					t.Errorf("%s: Cache-Control: got %q, want %q", method, got.Get("Cache-Control"), want)
				}
				if want := st.Expires.Format(http.TimeFormat); got.Get("Expires") != want {
					t.Errorf("%s: Expires: got %q, want %q", method, got.Get("Expires"), want)
				}
			}
		})
	}
}
