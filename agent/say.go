package agent

import (
	"context"
	"log/slog"
	"time"
)

// say logs the state of t once, when it has changed. What a must-staple leaf
// lacks keeps clients out, so that is a level louder.
func (a *Agent) say(t *target, now time.Time) {
	state := stateOf(t, now)
	a.count(t, state)
	a.sayLost(t, state, now)
	if state == t.said || t.placing {
		return
	}
	was := t.said
	t.said = state
	leaf := t.sub.chain.Leaf
	level, message := slog.LevelDebug, ""
	switch state {
	case Late:
		level, message = slog.LevelWarn, "staple should have been renewed by now"
	case Ending:
		level, message = slog.LevelError, "staple is about to end"
	case Expired:
		level, message = slog.LevelError, "staple has ended"
	case Missing:
		if was == Pending || was == notACandidate {
			return // the failed request was said
		}
		level, message = slog.LevelError, "no staple any more"
	case NoResponder:
		level, message = slog.LevelInfo, "no OCSP responder in this certificate: nothing to do"
		if leaf.MustStaple {
			level, message = slog.LevelError, "must-staple certificate names no OCSP responder: it can have no staple"
		}
	case NoIssuer:
		level, message = slog.LevelWarn, "no issuer found: put it into the same file, beside it as .issuer, chain.pem or ca.crt, or name a directory with issuers"
	case LeafExpired:
		level, message = slog.LevelInfo, "certificate has expired: nothing to do"
	case LeafNotYet:
		level, message = slog.LevelInfo, "certificate is not valid yet"
	case Unknown:
		if was == Pending || was == notACandidate || was == Unknown {
			return // the answer was said
		}
		level, message = slog.LevelError, "responder does not know the certificate"
	default:
		return // said where it happened
	}
	if leaf.MustStaple && level == slog.LevelWarn {
		level = slog.LevelError
	}
	attrs := []any{"cert", t.key.path, "staple", t.staple, "serial", leaf.SerialHex()}
	if !t.disk.ends.IsZero() {
		attrs = append(attrs, "next_update", stamp(t.disk.next))
	}
	if state == NoIssuer && t.sub.chain.IssuerErr != nil {
		attrs = append(attrs, "err", t.sub.chain.IssuerErr)
	}
	a.log.Log(context.Background(), level, message, attrs...)
}

// sayFound logs once what a daemon looks after: paths that lead to nothing are
// otherwise silent.
func (a *Agent) sayFound() {
	found := 0
	for _, n := range a.tally.States {
		found += n
	}
	switch {
	case found > 0:
		a.log.Info("first pass is over", "of", found, "failed", a.tally.Failing)
	case len(a.o.Groups) > 0:
		a.log.Warn("no certificates found: they are looked for again, as often as rescan says")
	}
}

// sayLost says once that a renewed certificate, which had a staple before, is
// still without one when it is no longer new. That a request failed was said
// then, as what may pass.
func (a *Agent) sayLost(t *target, state State, now time.Time) {
	if !t.lost || state != Missing || t.sub.attempts == 0 || now.Before(t.sub.expectUntil) {
		return
	}
	t.lost = false
	a.log.Error("renewed certificate has no staple yet", "cert", t.key.path, "staple", t.staple, "serial", t.sub.chain.Leaf.SerialHex())
}
