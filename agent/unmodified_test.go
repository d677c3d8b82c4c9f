package agent

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/responder"
)

// TestCacheThatNeverSeesAChangeCostsNoStaple has a cache between that takes its
// first answer for the newest as long as it is asked whether there is another.
func TestCacheThatNeverSeesAChangeCostsNoStaple(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		good, unmodified := b.good(time.Hour, 0), 0
		b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
			if q.Validators.ETag != "" {
				unmodified++
				return &responder.Answer{NotModified: true, Validators: q.Validators}, nil
			}
			a, err := good(ctx, q)
			if err == nil {
				a.Validators.ETag = `"1"`
			}
			return a, err
		})
		b.run(nil)
		b.pass(5 * time.Hour)
		if got := b.log.from(slog.LevelError, ""); len(got) != 0 || b.states()[Fresh]+b.states()[Late] != 1 {
			t.Errorf("states: %v, said: %v", b.states(), got)
		}
		if unmodified == 0 {
			t.Error("nobody was asked whether there is something newer")
		}
	})
}
