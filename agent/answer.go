package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
)

// onAnswer takes in what a responder said.
func (a *Agent) onAnswer(ctx context.Context, r answer) {
	a.askings--
	now := wall()
	a.noteHost(r)
	if r.issuer != "" {
		a.onIssuer(ctx, r, now)
		return
	}
	s := a.subjects[r.key]
	if s == nil {
		return // renewed or gone meanwhile
	}
	s.asking = false
	switch {
	case r.moved:
		var looks []look
		for _, t := range s.targets {
			looks = a.want(looks, t.key, watcher.Stamp{})
		}
		a.observe(ctx, looks)
		return // what is found decides anew
	case r.claimed:
		if s.claimed(now) == 0 {
			s.claimedAt = now
		}
		s.force = s.force || r.forced
		a.lookLater(ctx, s)
		return
	case r.err == nil && s.revokedSince(r.staple):
		a.log.Debug("responder says good as of before the revocation", "cert", s.name(), "responder", r.url)
		a.endRound(s, now)
		s.attempts = 0
	case r.err == nil:
		a.onGood(s, r, now)
	default:
		a.onFailure(s, r, now)
	}
	a.evaluate(ctx, s, now)
}

// lookLater looks again when another process, which is asking about the same
// leaf, may be through. Until then s counts as being asked about.
func (a *Agent) lookLater(ctx context.Context, s *subject) {
	s.asking = true
	a.askings++
	k := s.key
	a.work.Go(func() {
		select {
		case <-time.After(claimedPause):
		case <-ctx.Done():
		}
		a.answers <- answer{key: k, moved: true}
	})
}

// revokedSince reports whether s was revoked after good was said: caches give
// old answers for as long as those are valid.
func (s *subject) revokedSince(good *staple.Staple) bool {
	return s.message == staple.Revoked && good != nil && good.ThisUpdate.Before(s.stated)
}

// onGood hands a good staple to every file that has none or an older one.
func (a *Agent) onGood(s *subject, r answer, now time.Time) {
	if s.failure != nil {
		level := slog.LevelDebug // said, if at all, for the responder as a whole
		if len(s.logged) > 0 && !s.failure.shared {
			level = slog.LevelInfo
		}
		a.log.Log(context.Background(), level, "responder says good again", "cert", s.name(), "responder", r.url)
		a.memory.dirty = true
	}
	a.endRound(s, now)
	s.attempts, s.failure, s.logged, s.message = 0, nil, nil, ""
	s.etag, s.modified, s.fresh = r.held.ETag, r.held.LastModified, r.fresh
	s.quiet = true
	if r.staple == nil {
		a.log.Debug("nothing newer", "cert", s.name(), "responder", r.url)
		return // not modified: what there is is the newest
	}
	for _, t := range s.targets {
		if a.offer(t, r.staple, now) {
			s.quiet = false
		}
	}
}

// offer gives a verified staple to t, unless what it has is as new, and
// reports whether t takes it.
func (a *Agent) offer(t *target, s *staple.Staple, now time.Time) bool {
	err := t.unfit
	if err == nil {
		err = a.o.Groups[t.key.group].Profile.Accept(s, now)
	}
	if err != nil {
		a.refuse(t, err)
		return false
	}
	a.memory.dirty = a.memory.dirty || t.refusal != ""
	t.refusal = ""
	if t.placing || t.looking {
		t.next = s
		return true
	}
	if t.disk.current(now) && !t.disk.olderThan(s) {
		a.log.Debug("nothing newer", "cert", t.key.path, "staple", t.staple)
		return false
	}
	a.place(t, placement{staple: s})
	return true
}

// refuse notes why t gets no staple, and says it once.
func (a *Agent) refuse(t *target, err error) {
	t.failedAt = wall()
	if t.refusal != err.Error() {
		t.refusal = err.Error()
		a.memory.dirty = true
		a.log.Error("staple not placed: the server would not take it", "cert", t.key.path, "err", err)
	}
}

// fit takes in whether the server could start with a staple of t. If it could
// not, nobody needs to be asked for one.
func (a *Agent) fit(t *target, unfit error) {
	was := t.unfit
	t.unfit = unfit
	switch {
	case unfit != nil && len(t.sub.urls) > 0 && t.sub.chain.Issuer != nil:
		a.refuse(t, unfit)
	case unfit == nil && was != nil:
		t.refusal = ""
	}
}

// offerNext gives t the staple that came while its file was busy.
func (a *Agent) offerNext(t *target, now time.Time) {
	if s := t.next; s != nil && t.sub != nil && !t.looking && !t.placing {
		t.next = nil
		a.offer(t, s, now)
	}
}

// onFailure tries the next responder, or ends the round and says what is wrong
// once.
func (a *Agent) onFailure(s *subject, r answer, now time.Time) {
	e, said := errors.AsType[*staple.Error](r.err)
	if said && e.Statement != nil {
		a.onStatement(s, r, e, now)
		return
	}
	a.noteFailure(s, r, now)
	if s.round++; s.round < len(s.urls) {
		return // evaluate asks the next one at once
	}
	a.endRound(s, now)
	s.attempts++
	if s.message != staple.Revoked { // that stays so until an answer says otherwise
		s.message = ""
	}
}

// onStatement takes in a verified answer that does not say good.
func (a *Agent) onStatement(s *subject, r answer, e *staple.Error, now time.Time) {
	first := s.message != e.Statement.Status
	told := s.failure != nil && s.failure.Told
	a.noteFailure(s, r, now)
	a.endRound(s, now)
	s.message, s.stated, s.statedTo = e.Statement.Status, e.Statement.ThisUpdate, e.Statement.Expires
	if s.message == staple.Revoked {
		s.attempts = 0
		if first {
			a.log.Error("certificate revoked", "cert", s.name(), "serial", s.chain.Leaf.SerialHex(), "responder", r.url,
				"reason", e.Statement.RevocationReason, "revoked_at", e.Statement.RevokedAt)
		}
		if first && !told {
			a.announce(s, e.Statement)
		}
	} else {
		s.attempts++
	}
	for _, t := range s.targets {
		if s.message == staple.Revoked {
			a.hold(t, nil) // it is older
		}
		good := t.disk.current(now)
		if a.policy(t).publishes(s.message) && !(good && s.message == staple.Unknown) {
			a.offer(t, e.Statement, now)
		}
	}
}

// publishes reports whether a staple that says s is to be served.
func (p Policy) publishes(s staple.Status) bool {
	switch s {
	case staple.Revoked:
		return p.OnRevoked == Publish
	case staple.Unknown:
		return p.OnUnknown == Publish
	}
	return true
}

// endRound notes that every responder that was to be asked has been.
func (a *Agent) endRound(s *subject, now time.Time) {
	s.first = (s.first + s.round) % len(s.urls) // begin with the one that worked, or go round
	s.round = 0
	s.askedAt = now
	s.claimedAt = time.Time{}
}

// claimed is for how long another process is asking about s; 0: none is, or it
// was long ago.
func (s *subject) claimed(now time.Time) time.Duration {
	if d := now.Sub(s.claimedAt); d > 0 && d < 2*claimPatience {
		return d
	}
	return 0
}

// noteFailure keeps what went wrong for people, and logs it when it is new.
func (a *Agent) noteFailure(s *subject, r answer, now time.Time) {
	f := describe(r, now)
	f.Attempts = s.attempts + 1
	old := s.failure
	f.Told = old != nil && old.Told
	e, said := errors.AsType[*staple.Error](r.err)
	switch answered := said && e.Statement != nil; {
	case answered && e.Reason == staple.IsRevoked:
		f.Stated = e.Statement.ThisUpdate
	case !answered && old != nil:
		f.Stated = old.Stated
	}
	asked := f.Reason != string(responder.KindDown)
	if !asked && old != nil {
		// Why the responder counts as down says more than that it does.
		f.Reason, f.Message = old.Reason, old.Message
	}
	s.failure = f
	a.memory.dirty = true
	if f.Reason == string(staple.IsRevoked) {
		return // said by onStatement
	}
	_, need := worstDisk(s, now)
	another := r.issuer == "" && s.round+1 < len(s.urls) && !(said && e.Statement != nil) // is asked at once
	f.Quiet = f.unknown && now.Before(s.expectUntil)
	level, message := slog.LevelWarn, "no new staple"
	switch {
	case r.issuer != "":
		message = "issuer not fetched"
	case another:
		message = "no new staple from this responder, another is asked"
	}
	switch {
	case !asked, r.along, slices.Contains(s.logged, f.logKey()), f.shared && a.recordOf(r.host).down:
		level = slog.LevelDebug // said before, or for the responder as a whole
	case f.Quiet:
		level, message = slog.LevelInfo, "responder does not know the new certificate yet"
	case f.Reason == string(staple.IsUnknown) || need && s.chain.Leaf.MustStaple && !another:
		level = slog.LevelError
	}
	if level > slog.LevelDebug {
		s.logged = append(s.logged, f.logKey())
		if f.shared {
			a.recordOf(r.host).troubled = true
		}
	}
	a.log.Log(context.Background(), level, message,
		"cert", s.name(), "responder", r.url, "reason", f.Reason, "attempt", f.Attempts, "err", r.err)
}

// describe turns an error into what is shown to people and kept on disk.
func describe(r answer, now time.Time) *Failure {
	f := &Failure{Reason: r.reason(), Message: r.err.Error(), Responder: r.url, At: now}
	f.shared = r.load == responder.LaneSilent || r.load == responder.LaneOverloaded
	if e, ok := errors.AsType[*responder.Error](r.err); ok {
		f.retryAfter, f.own = e.RetryAfter, e.Kind == responder.KindHTTP && e.RetryAfter > 0
		f.shared = f.shared || e.Kind == responder.KindDown
	}
	if e, ok := errors.AsType[*staple.Error](r.err); ok {
		f.unknown = e.Reason == staple.IsUnknown || e.Reason == staple.BadProducedAt || e.ResponderStatus == "unauthorized"
	}
	return f
}

// announce tells hooks of a revocation.
func (a *Agent) announce(s *subject, statement *staple.Staple) {
	if a.o.DryRun {
		return
	}
	for _, t := range s.targets {
		c := a.change(t, hooks.Revoked)
		c.Reason, c.Status = statement.RevocationReason, string(statement.Status)
		a.placings++
		a.placer.add(placement{key: t.key, change: c, queues: a.o.Groups[t.key.group].Hooks})
	}
}

// noteTold takes in that hooks will hear of a revocation whatever happens. Until
// then a process that ends leaves it to the next one to say.
func (a *Agent) noteTold(p placed) {
	t := a.targets[p.key]
	if t == nil || t.sub == nil || t.sub.failure == nil || t.sub.chain.Leaf.SerialHex() != p.change.Serial {
		return // renewed, good again or gone meanwhile
	}
	t.sub.failure.Told = true
	a.memory.dirty = true
}

// name is the path by which logs call a subject.
func (s *subject) name() string {
	if len(s.targets) == 0 {
		return s.chain.Leaf.Name
	}
	return s.targets[0].key.path
}
