package agent

import (
	"context"
	"crypto"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/staple"
)

const (
	a0 = "http://a.example"
	b0 = "http://b.example"
)

func TestDeadResponderIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for i := range 20 {
			b.issue(fmt.Sprintf("c%02d.pem", i), a0)
		}
		b.behave("a.example", b.good(time.Hour, 0))
		b.run(nil)
		b.pass(time.Minute)
		b.behave("a.example", hang)
		b.log.clear()
		b.pass(41 * time.Minute) // all are due, and none has ended
		each := make(map[string]int)
		for _, l := range b.log.from(slog.LevelWarn, "no new staple") {
			each[l.cert]++
		}
		for cert, n := range each {
			if n > 1 {
				t.Errorf("%s: said %d times", cert, n)
			}
		}
		if len(each) > 8 {
			t.Errorf("said for %d certificates of one responder, want only those that were asked before it was known to be down", len(each))
		}
		if got := b.log.from(slog.LevelWarn, "responder is down: it is tried from time to time"); len(got) != 1 || got[0].responder != "a.example" || got[0].err == "" {
			t.Errorf("that it is down: %v, want one line with the reason", got)
		}
		b.behave("a.example", b.good(time.Hour, 0))
		b.log.clear()
		b.pass(10 * time.Minute)
		if got := b.states(); got[Fresh] != 20 {
			t.Errorf("states: %v, want all fresh", got)
		}
		if got := b.log.from(slog.LevelInfo, "responder answers again"); len(got) != 1 {
			t.Errorf("that it is back: %v, want one line", got)
		}
		if got := b.log.from(slog.LevelInfo, "responder says good again"); len(got) != 0 {
			t.Errorf("%d lines for certificates that only waited", len(got))
		}
	})
}

func TestTwoURLsAreSaidOnceEach(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0, b0)
		b.behave("a.example", refuse(404, 0))
		b.behave("b.example", refuse(500, 0))
		b.run(nil)
		b.pass(time.Hour)
		got := append(b.log.from(slog.LevelWarn, "no new staple from this responder, another is asked"), b.log.from(slog.LevelWarn, "no new staple")...)
		if len(got) != 2 || got[0].responder != a0 || got[1].responder != b0 {
			t.Errorf("%d lines at warn after %d requests, want one for each URL: %v", len(got), b.requests(), got)
		}
		if b.requests() < 20 {
			t.Errorf("only %d requests", b.requests())
		}
		b.behave("a.example", b.good(time.Hour, 0))
		b.log.clear()
		b.pass(time.Hour)
		if got := b.log.from(slog.LevelInfo, "responder says good again"); len(got) > 1 {
			t.Errorf("back: %v", got)
		}
	})
}

// What one responder does not have is no reason to wake anybody while another has
// it, whatever the leaf demands.
func TestFirstOfTwoURLsIsNoAlarm(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issueSince("site.pem", time.Now().Add(-time.Hour), lab.IssueOptions{Responders: []string{a0, b0}, MustStaple: true})
		b.behave("a.example", refuse(404, 0))
		b.behave("b.example", b.good(time.Hour, 0))
		b.run(nil)
		b.pass(time.Hour)
		if got := b.log.from(slog.LevelError, ""); len(got) != 0 || b.states()[Fresh] != 1 {
			t.Errorf("states: %v, said: %v", b.states(), got)
		}
		if got := b.log.from(slog.LevelWarn, ""); len(got) != 1 || got[0].responder != a0 {
			t.Errorf("said: %v, want one line about the first", got)
		}
	})
}

func TestReasonThatAlternatesIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		n := 0
		b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
			if n++; n%2 == 0 {
				return refuse(404, 0)(ctx, q)
			}
			return nil, &responder.Error{Kind: responder.KindRedirect, URL: q.URL, Err: errors.New("in circles")}
		})
		b.run(nil)
		b.pass(time.Hour)
		if got := b.log.from(slog.LevelWarn, "no new staple"); len(got) != 2 || n < 10 {
			t.Errorf("%d lines at warn after %d requests, want one for each reason", len(got), n)
		}
	})
}

func TestNewCertificateThatStaysUnknownIsSaid(t *testing.T) {
	for fault, level := range map[lab.Fault]slog.Level{"unauthorized": slog.LevelWarn, "unknown": slog.LevelError} {
		inBubble(t, func(t *testing.T, b *bubble) {
			r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.SetFault(fault); err != nil {
				t.Fatal(err)
			}
			b.behave("a.example", answers(r))
			b.issueSince("site.pem", time.Now(), lab.IssueOptions{Responders: []string{a0}})
			b.run(nil)
			b.pass(14 * time.Minute)
			if got := b.log.from(slog.LevelWarn, ""); len(got) != 0 {
				t.Errorf("%s: said aloud in its first minutes: %v", fault, got)
			}
			if got := b.log.from(slog.LevelInfo, "responder does not know the new certificate yet"); len(got) != 1 {
				t.Errorf("%s: said quietly %d times, want once", fault, len(got))
			}
			if b.requests() < 14 {
				t.Errorf("%s: asked %d times, want each minute", fault, b.requests())
			}
			b.pass(2 * time.Hour)
			if got := b.log.from(slog.LevelWarn, ""); len(got) != 1 || got[0].level != level {
				t.Errorf("%s: after two hours: %v, want one line at %v", fault, got, level)
			}
		})
	}
}

func TestRenewedCertificateThatStaysWithoutAStapleIsSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.behave("a.example", b.good(time.Hour, 0))
		b.issue("site.pem", a0)
		b.run(nil)
		b.pass(time.Minute)
		b.behave("a.example", refuse(500, 0))
		b.issueSince("site.pem", time.Now(), lab.IssueOptions{Responders: []string{a0}})
		if err := b.agent.Rescan(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.pass(14 * time.Minute)
		if got := b.states(); got[Missing] != 1 {
			t.Fatalf("states: %v, want the old staple withdrawn and no new one", got)
		}
		if got := b.log.from(slog.LevelError, ""); len(got) != 0 {
			t.Errorf("said in its first minutes: %v", got)
		}
		b.pass(12 * time.Hour)
		if got := b.log.from(slog.LevelError, ""); len(got) != 1 || got[0].message != "renewed certificate has no staple yet" {
			t.Errorf("after half a day: %v, want one line", got)
		}
	})
}

// Responders made with x/crypto/ocsp, such as Vault's and OpenBao's, cut
// producedAt to the minute, which may be before a leaf of this minute began.
func TestAnAnswerMadeBeforeTheNewCertificateBeganIsQuiet(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.behave("a.example", func(_ context.Context, q responder.Query) (*responder.Answer, error) {
			now, issuer := time.Now(), q.Chain.Issuer.Certificate
			der, err := ocsp.CreateResponse(issuer, issuer, ocsp.Response{
				Status:       ocsp.Good,
				SerialNumber: new(big.Int).SetBytes([]byte(q.Chain.Leaf.Serial)),
				ThisUpdate:   now,
				NextUpdate:   now.Add(12 * time.Hour),
				// Not nil, so there is an empty list in the response.
				ExtraExtensions: []pkix.Extension{},
			}, b.pki.Intermediate.Key)
			return &responder.Answer{DER: der, Date: now}, err
		})
		time.Sleep(40 * time.Second) // the minute is well under way
		b.issueSince("site.pem", time.Now().Add(-30*time.Second), lab.IssueOptions{Responders: []string{a0}})
		b.run(nil)
		b.pass(2 * time.Minute)
		if got := b.log.from(slog.LevelInfo, "responder does not know the new certificate yet"); len(got) != 1 || got[0].level != slog.LevelInfo {
			t.Errorf("%v, want one line at info", got)
		}
		if got := b.log.from(slog.LevelWarn, ""); len(got) != 0 {
			t.Errorf("said aloud: %v", got)
		}
		if got := b.states(); got[Fresh] != 1 {
			t.Errorf("after two minutes: %v, want it fresh", got)
		}
	})
}

func TestTroubleOfANewCertificateThatIsNotItsOwnIsNotQuiet(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		r, err := lab.NewResponder(lab.ResponderOptions{CA: b.pki.Intermediate})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.SetFault("internalError"); err != nil {
			t.Fatal(err)
		}
		b.behave("a.example", answers(r))
		b.issueSince("site.pem", time.Now(), lab.IssueOptions{Responders: []string{a0}})
		b.run(nil)
		b.pass(time.Minute)
		if got := b.log.from(slog.LevelWarn, "no new staple"); len(got) != 1 {
			t.Errorf("%v, want one line", got)
		}
	})
}

func TestBrandNewEndsInTime(t *testing.T) {
	for name, row := range map[string]struct{ placed, notBefore, want time.Time }{
		"placed as it was issued":       {noon, noon, noon.Add(brandNew)},
		"placed later":                  {noon.Add(-time.Minute), noon.Add(-time.Hour), noon.Add(brandNew - time.Minute)},
		"unpacked with an old time":     {noon.Add(-time.Hour), noon.Add(-time.Minute), noon.Add(brandNew - time.Minute)},
		"a time that is yet to come":    {noon.Add(9000 * time.Hour), noon.Add(-time.Hour), noon.Add(brandNew)},
		"not valid before some moments": {noon, noon.Add(time.Minute), noon.Add(brandNew + time.Minute)},
	} {
		if got := newUntil(row.placed, row.notBefore, noon); !got.Equal(row.want) {
			t.Errorf("%s: got %v, want %v", name, got, row.want)
		}
	}
}

func TestOddAnswersAreSaidOncePerResponder(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		for i := range 10 {
			b.issue(fmt.Sprintf("c%d.pem", i), a0)
		}
		good := b.good(time.Hour, 0)
		b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
			a, err := good(ctx, q)
			a.Warnings = []string{`Content-Type "text/html"`}
			return a, err
		})
		b.run(nil)
		b.pass(5 * time.Hour)
		if got := b.log.from(slog.LevelWarn, ""); len(got) != 1 || got[0].reason != `Content-Type "text/html"` {
			t.Errorf("%v, want one line", got)
		}
		if got := b.states(); got[Fresh] != 10 {
			t.Errorf("states: %v", got)
		}
	})
}

func TestClockThatDiffersIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		a := b.make(nil)
		defer a.Close()
		say := func(dated bool, skew time.Duration) {
			a.noteHost(answer{url: a0, host: "a.example", load: responder.LaneGood, dated: dated, skew: skew})
		}
		for range 3 {
			say(true, -time.Hour)
			say(false, 0) // without a Date, it says nothing
		}
		say(true, farOff)
		say(true, 0)
		if far := b.log.from(slog.LevelWarn, "clock differs from the responder's: check both"); len(far) != 1 {
			t.Errorf("%v, want one line", far)
		}
		if agrees := b.log.from(slog.LevelInfo, "clock agrees with the responder's again"); len(agrees) != 1 {
			t.Errorf("%v, want one line", agrees)
		}
	})
}

// TestWhatAWebPageIsIsSaidWithIt: that an answer is odd and taken all the same is
// for one that is taken.
func TestWhatAWebPageIsIsSaidWithIt(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", func(context.Context, responder.Query) (*responder.Answer, error) {
			return &responder.Answer{DER: []byte("<html>"), Warnings: []string{`Content-Type "text/html"`}}, nil
		})
		b.run(nil)
		b.pass(time.Second)
		got := b.log.from(slog.LevelWarn, "")
		if len(got) != 1 || got[0].reason != string(staple.Malformed) || !strings.Contains(got[0].err, "text/html") {
			t.Errorf("said: %v, want one line with the type", got)
		}
	})
}

func TestResponderOfTheOtherHashIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		good := b.good(time.Hour, 0)
		b.behave("a.example", func(ctx context.Context, q responder.Query) (*responder.Answer, error) {
			if q.Hash != crypto.SHA256 {
				return &responder.Answer{DER: []byte{0x30, 3, 10, 1, 6}}, nil // unauthorized
			}
			return good(ctx, q)
		})
		b.run(nil)
		b.pass(5 * time.Hour)
		got := b.log.from(slog.LevelWarn, "")
		if len(got) != 1 || !strings.Contains(got[0].reason, "`hash: sha256`") || b.states()[Fresh] != 1 {
			t.Errorf("states: %v, said: %v, want one line with the setting", b.states(), got)
		}
	})
}
