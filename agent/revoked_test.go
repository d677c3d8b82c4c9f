package agent

import (
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// keepRevoked has a good staple stay beside a revocation.
func keepRevoked(o *Options) { o.Groups[0].Policy.OnRevoked = Keep }

// leaf is by what name the state directory knows the one leaf of the bubble.
func (b *bubble) leaf() string {
	b.t.Helper()
	var name string
	b.agent.onLoop(b.t.Context(), func() {
		for k := range b.agent.subjects {
			name = hex.EncodeToString(k.leaf[:])
		}
	})
	return name
}

// turnRevoked has an agent place a good staple, and the responder say revoked
// when it is asked the next time. It returns how to stop the agent.
func (b *bubble) turnRevoked(change func(*Options)) (stop func()) {
	b.t.Helper()
	r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate, Validity: 8 * time.Hour})
	if err != nil {
		b.t.Fatal(err)
	}
	b.issue("site.pem", a0)
	b.behave("a.example", answers(r))
	stop = b.run(change)
	b.pass(time.Minute)
	if got := b.states(); got[Fresh] != 1 {
		b.t.Fatalf("states: %v, want fresh", got)
	}
	if err := r.SetFault("revoked"); err != nil {
		b.t.Fatal(err)
	}
	b.pass(5 * time.Hour)
	if got := b.states(); got[Revoked] != 1 {
		b.t.Fatalf("states: %v, want revoked", got)
	}
	return stop
}

func TestARevocationStaysKnownWhileTheResponderIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.turnRevoked(keepRevoked)
		b.behave("a.example", refuse(503, 0))
		b.pass(time.Hour)
		if got := b.states(); got[Revoked] != 1 {
			t.Errorf("states: %v, want revoked still", got)
		}
		b.behave("a.example", b.good(8*time.Hour, 0))
		b.pass(2 * time.Hour)
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("states: %v, want fresh after a newer answer says good", got)
		}
	})
}

func TestARevocationIsKnownAfterARestart(t *testing.T) {
	for name, change := range map[string]func(*Options){"kept": keepRevoked, "withdrawn": nil} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				stop := b.turnRevoked(change)
				b.behave("a.example", refuse(503, 0))
				for range 2 { // the second start knows it from one that nobody has answered
					stop()
					b.log.clear()
					stop = b.run(change)
					b.pass(time.Minute)
					if got := b.states(); got[Revoked] != 1 {
						t.Errorf("states: %v, want revoked", got)
					}
					if tally, _ := b.agent.Tally(t.Context()); tally.States[Revoked] != 1 || tally.Failing != 1 {
						t.Errorf("counted: %+v, want one revoked", tally)
					}
					if said := b.log.from(slog.LevelError, ""); len(said) != 1 {
						t.Errorf("said %d errors, want the revocation once: %v", len(said), said)
					}
				}
				b.behave("a.example", b.good(8*time.Hour, 0))
				b.pass(2 * time.Hour)
				if got := b.states(); got[Fresh] != 1 {
					t.Errorf("states: %v, want fresh after an answer says good", got)
				}
				if got := b.kept(); len(got) != 0 {
					t.Errorf("kept: %+v, want nothing", got[0])
				}
			})
		})
	}
}

func TestAStapleThatCameAfterARevocationStays(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.turnRevoked(nil)()
		before := b.kept()
		b.behave("a.example", b.good(8*time.Hour, 0))
		stop := b.run(nil)
		b.pass(time.Minute)
		stop()
		// Another process, which hears nothing, had still noted the revocation.
		m := &memory{path: filepath.Join(b.state, "failures.json")}
		f := *before[0]
		f.At, f.Reason, f.Message = time.Now(), "timeout", "no whole answer"
		if err := m.write(map[string]*Failure{b.leaf(): &f}); err != nil {
			t.Fatal(err)
		}
		b.behave("a.example", hang)
		b.run(nil)
		b.pass(time.Minute)
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("states: %v, want the staple that is newer than the revocation to stay", got)
		}
	})
}

// TestAStaleCacheLiftsNoRevocation has a cache go on with a good response that
// is still valid.
func TestAStaleCacheLiftsNoRevocation(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.turnRevoked(nil)
		stale, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate, Validity: 24 * time.Hour, Backdate: 6 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		b.behave("a.example", answers(stale))
		before := b.requests()
		b.pass(2 * time.Hour)
		if got := b.states(); got[Revoked] != 1 || b.requests() == before {
			t.Errorf("states: %v after %d requests, want revoked", got, b.requests()-before)
		}
		b.behave("a.example", b.good(8*time.Hour, 0))
		b.pass(2 * time.Hour)
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("states: %v, want fresh after a newer answer says good", got)
		}
	})
}

// TestAStapleThatAnotherServerKeepsLiftsNoRevocation has two servers share a
// leaf, of which one cannot be made to give its staple up.
func TestAStapleThatAnotherServerKeepsLiftsNoRevocation(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate, Validity: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		b.behave("a.example", answers(r))
		b.run(func(o *Options) {
			g := o.Groups[0]
			g.Template, g.Policy.OnRevoked = "{path}.kept.ocsp", Keep
			o.Groups = append(o.Groups, g)
		})
		b.pass(time.Minute)
		if err := r.SetFault("revoked"); err != nil {
			t.Fatal(err)
		}
		b.pass(12 * time.Hour) // half of the window
		before := b.requests()
		for range 8 {
			b.pass(30 * time.Minute)
			if got := b.states(); got[Revoked] != 2 {
				t.Errorf("states: %v, want both revoked", got)
			}
		}
		if placed := b.log.from(slog.LevelInfo, "staple placed"); len(placed) != 2 || b.requests() == before {
			t.Errorf("%d staples placed and %d requests made, want the first two staples, and to ask again", len(placed), b.requests()-before)
		}
	})
}
