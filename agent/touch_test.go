package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/hooks"
)

// A server that begins to watch a file after it has looked for it in vain reads
// it when its time changes.
func TestAFileThatIsWatchedGetsAnotherTimeOnce(t *testing.T) {
	for server, wanted := range map[string]bool{"hitch": true, "nginx": false} {
		t.Run(server, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.issue("site.pem", a0)
				b.behave("a.example", b.good(8*time.Hour, 0))
				var x told
				q, err := hooks.NewQueue(hooks.QueueOptions{Name: "reload", Action: &x, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(b.dir, "site.pem.ocsp")
				stop := b.run(func(o *Options) {
					p, err := profile.ByName(server)
					if err != nil {
						t.Fatal(err)
					}
					p.Template = profile.DefaultTemplate
					o.Groups[0].Profile, o.Groups[0].Hooks = p, []*hooks.Queue{q}
				})
				look := func() os.FileInfo {
					t.Helper()
					info, err := os.Stat(path)
					if err != nil {
						t.Fatal(err)
					}
					b.outlast(info)
					return info
				}
				b.pass(4 * time.Second)
				placed := look()
				b.pass(2 * time.Second)
				touched := look()
				if !os.SameFile(placed, touched) || touched.ModTime().After(placed.ModTime()) != wanted {
					t.Errorf("placed at %v, then of %v, want it later: %v", placed.ModTime(), touched.ModTime(), wanted)
				}
				b.pass(3 * time.Hour) // there is no newer one before
				if later := look(); later.Sys().(*syscall.Stat_t).Ctim != touched.Sys().(*syscall.Stat_t).Ctim {
					t.Errorf("changed again at %v", later.ModTime())
				}
				if got := b.states(); got[Fresh] != 1 || b.requests() != 1 {
					t.Errorf("states %v after %d requests, want fresh after one", got, b.requests())
				}
				stop()
				if x.changes != 1 {
					t.Errorf("the hook was told of %d changes, want of the staple", x.changes)
				}
			})
		})
	}
}

// outlast waits until files get later times than info has. The clock of files
// is not that of the bubble, and stands still for milliseconds.
func (b *bubble) outlast(info os.FileInfo) {
	b.t.Helper()
	other := filepath.Join(b.state, "clock")
	for {
		if err := os.WriteFile(other, []byte("x"), 0o600); err != nil {
			b.t.Fatal(err)
		}
		now, err := os.Stat(other)
		if err != nil {
			b.t.Fatal(err)
		}
		if now.ModTime().After(info.ModTime()) {
			return
		}
	}
}
