package agent

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestProgressIsToldWhileNothingAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.issue("other.pem", b0)
		b.behave("a.example", hang)
		b.behave("b.example", b.good(time.Hour, time.Second))
		var mu sync.Mutex
		var all []Progress
		told := func() []Progress {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
		var ready atomic.Int64
		b.run(func(o *Options) {
			o.Progress = func(p Progress) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, p)
			}
			o.ProgressEvery = 5 * time.Second
			o.Ready = func() { ready.Store(int64(time.Since(b.start))) }
		})
		b.pass(14 * time.Second)
		if len(told()) != 3 {
			t.Fatalf("told %d times in 14 s, want at once and every five seconds", len(told()))
		}
		if got, want := told()[2], (Progress{Found: 2, Done: 1}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		b.pass(time.Minute)
		if after := time.Duration(ready.Load()); after != 15*time.Second || len(told()) > 4 {
			t.Errorf("ready after %v, told %d times; want nothing told after the first pass", after, len(told()))
		}
	})
}
