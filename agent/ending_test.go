package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// TestAStapleThatNobodyRenewsIsSaidAndGoesInTime has the responder die while a
// staple lives for eight hours: a warning when two hours are left, an alarm when
// it is one, and it is taken out five minutes before its end. Without one clients
// refuse a must-staple certificate: of that the alarm comes at once, and the
// staple stays until the last minute.
func TestAStapleThatNobodyRenewsIsSaidAndGoesInTime(t *testing.T) {
	const warning, alarm = "staple should have been renewed by now", "staple is about to end"
	for name, row := range map[string]struct {
		mustStaple            bool
		warned, alarmed, goes time.Duration // before the end; 0: never
	}{
		"any":         {false, 2 * time.Hour, time.Hour, 5 * time.Minute},
		"must-staple": {true, 0, 2 * time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.issueSince("site.pem", time.Now().Add(-time.Hour), lab.IssueOptions{Responders: []string{a0}, MustStaple: row.mustStaple})
				b.behave("a.example", b.good(8*time.Hour, 0))
				b.run(nil)
				b.pass(time.Minute)
				b.behave("a.example", hang)
				ends := b.agent.Certificates(t.Context())[0].Expires
				left := func(d time.Duration) { t.Helper(); b.pass(time.Until(ends.Add(-d))) }
				const near = 2 * time.Second
				for _, at := range []time.Duration{2*time.Hour + near, 2*time.Hour - near, time.Hour + near, time.Hour - near,
					5*time.Minute + near, 5*time.Minute - near, time.Minute + near, time.Minute - near} {
					left(at)
					for _, say := range []struct {
						message string
						level   slog.Level
						since   time.Duration
					}{{warning, slog.LevelWarn, row.warned}, {alarm, slog.LevelError, row.alarmed}} {
						want := 0
						if at < say.since {
							want = 1
						}
						if got := b.log.from(slog.LevelInfo, say.message); len(got) != want || want > 0 && got[0].level != say.level {
							t.Errorf("%v before the end: got %v, want %q %d times at %v", at, got, say.message, want, say.level)
						}
					}
					if _, err := os.Stat(filepath.Join(b.dir, "site.pem.ocsp")); (err == nil) != (at > row.goes) {
						t.Errorf("%v before the end: the staple is there: %v, want %v", at, err == nil, at > row.goes)
					}
				}
			})
		})
	}
}
