package agent

import (
	"log/slog"
	"testing"
	"time"
)

func TestADaemonSaysOnceWhetherItHasFoundAnything(t *testing.T) {
	const over, nothing = "first pass is over", "no certificates found: they are looked for again, as often as rescan says"
	for name, row := range map[string]struct {
		found            int
		wantOver, wantNo int
	}{
		"something": {found: 2, wantOver: 1},
		"nothing":   {wantNo: 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				for _, file := range []string{"a.pem", "b.pem"}[:row.found] {
					b.issue(file, a0)
				}
				b.behave("a.example", b.good(time.Hour, 0))
				b.run(nil)
				b.pass(time.Hour)
				if got := b.log.from(slog.LevelInfo, over); len(got) != row.wantOver {
					t.Errorf("%d lines that the first pass is over, want %d", len(got), row.wantOver)
				}
				if got := b.log.from(slog.LevelWarn, nothing); len(got) != row.wantNo {
					t.Errorf("%d lines that nothing was found, want %d", len(got), row.wantNo)
				}
			})
		})
	}
}
