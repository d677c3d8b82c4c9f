package agent

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// claimedPause is how long to wait when another process is asking about the
// same leaf.
const claimedPause = 2 * time.Second

// claimPatience is for how long another process is believed to be asking. One
// that lives is through by then, with all its second attempts; one that hangs
// or was stopped must not keep its backup waiting.
const claimPatience = 3 * time.Minute

// question is one request about a leaf, with all it needs: the job that asks
// it touches nothing of the loop.
type question struct {
	key      subjectKey
	chain    *chain.Chain
	url      string
	override bool
	asking   Asking
	other    crypto.Hash // to try when the responder knows the CertID by another hash; 0: don't
	held     responder.Validators
	files    []known // staple files as the loop knows them
	checker  *staple.Verifier
	force    bool
	anyway   bool // also if another process is asking
}

// known is a file and its stamp when the loop last read it.
type known struct {
	path  string
	stamp watcher.Stamp
}

// answer is what came of a question.
type answer struct {
	key     subjectKey
	url     string         // who was asked, without a password: it is for people
	host    string         // of url; "": nobody was asked
	staple  *staple.Staple // nil without an error: nothing newer (304)
	err     error          // *staple.Error or *responder.Error
	issuer  string         // the URL that the issuer was asked for at; "": it was not
	along   bool           // what is wrong was said of another leaf
	moved   bool           // the files are not what the loop knows: look again
	claimed bool           // another process is asking
	forced  bool           // nothing was due
	stray   bool           // the answer is one to another request: it has another nonce
	held    responder.Validators

	load  responder.Verdict // what the exchange says of the responder's load
	hold  time.Duration     // how long the responder wants to be left alone
	dated bool              // the responder has shown its clock
	skew  time.Duration     // how far the local clock is ahead of it
	fresh time.Time         // until when caches may go on giving this answer; zero: unsaid
	odd   []string          // what is odd about the answer, in words
}

// askable leaves out what is no business of ours, such as the URL of a directory
// (ldap:). If there is nothing else it stays, and its failure says so.
func askable(urls []string) []string {
	foreign := func(u string) bool {
		scheme, _, _ := strings.Cut(u, ":")
		return !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https")
	}
	if !slices.ContainsFunc(urls, foreign) {
		return urls // as it is shared by many
	}
	if ours := slices.DeleteFunc(slices.Clone(urls), foreign); len(ours) > 0 {
		return ours
	}
	return urls
}

// ask hands out the next request of a round about s.
func (a *Agent) ask(s *subject, now time.Time) {
	if good := sibling(s, now); good != nil && !s.force && now.Before(schedule.UrgentAt(good.disk.this, good.disk.ends)) {
		a.borrow(s, good)
		return
	}
	url, host, how := a.direct(s.urls[(s.first+s.round)%len(s.urls)])
	q := question{
		key: s.key, chain: s.chain, url: url, override: s.override || how.URL != "", asking: how,
		checker: a.verifiers[s.key.strict], force: s.force,
		anyway: s.claimed(now) >= claimPatience,
	}
	worst, need := worstDisk(s, now)
	// A cache that is wrong about what has changed must not cost the staple.
	if urgent := worst.kind == valid && !now.Before(schedule.UrgentAt(worst.this, worst.ends)); !need && !s.force && !urgent && s.message == "" {
		q.held = responder.Validators{ETag: s.etag, LastModified: s.modified}
	}
	sha256Too := true
	for _, t := range s.targets {
		q.files = append(q.files, known{t.staple, t.disk.stamp})
		sha256Too = sha256Too && a.o.Groups[t.key.group].Profile.SHA256
	}
	if sha256Too {
		q.other = otherHash(q.asking.Hash)
	}
	s.asking, s.force, s.revived = true, false, false
	urgency := time.Time{}
	if worst.kind == valid {
		urgency = schedule.WithdrawAt(worst.this, worst.ends)
	}
	a.askings++
	a.submit(host, urgency, func(jobCtx context.Context) answer { return q.ask(jobCtx, a.client, a.claims) })
}

// submit has a host asked when its lane has room, and the loop told what came
// of it.
func (a *Agent) submit(host string, urgency time.Time, ask func(context.Context) answer) {
	a.lanes.Submit(host, urgency, func(ctx context.Context) responder.Verdict {
		start := time.Now()
		r := ask(ctx)
		if !r.moved && !r.claimed {
			if r.host = host; responder.HandedBack(ctx) != nil {
				r.host = ""
			}
			if a.o.Asked != nil {
				a.o.Asked(Attempt{Responder: host, Reason: r.reason(), Took: time.Since(start)})
			}
		}
		if r.hold > 0 {
			a.lanes.Hold(host, r.hold)
		}
		a.answers <- r // read until every job has ended
		return r.load
	})
}

// hashName is a hash as the configuration names it.
func hashName(h crypto.Hash) string {
	if h == crypto.SHA256 {
		return "sha256"
	}
	return "sha1"
}

func otherHash(h crypto.Hash) crypto.Hash {
	if h == crypto.SHA256 {
		return crypto.SHA1
	}
	return crypto.SHA256
}

// ask asks, and asks a second time where the rules give a second chance at
// once: an expired answer is asked for again past the caches (RFC 9919
// section 7.2), and a responder that does not know the CertID by its other
// hash.
func (q *question) ask(ctx context.Context, client asker, c *claims) answer {
	r := answer{key: q.key, url: responder.Redact(q.url), forced: q.force}
	if responder.HandedBack(ctx) != nil {
		q.once(ctx, client, responder.Query{URL: q.url, Chain: q.chain}, &r)
		return r
	}
	if q.filesMoved() {
		r.moved = true
		return r
	}
	if release, ok := c.take(q.key.leaf); ok {
		defer release()
	} else if !q.anyway {
		r.claimed = true
		return r
	}
	query := responder.Query{
		URL: q.url, Configured: q.override, Chain: q.chain,
		Hash: q.asking.Hash, Nonce: q.asking.Nonce, Validators: q.held,
	}
	q.once(ctx, client, query, &r)
	switch e, _ := errors.AsType[*staple.Error](r.err); {
	case e == nil, r.stray:
	case e.Reason == staple.Expired:
		query.NoCache, query.Validators = true, responder.Validators{}
		q.once(ctx, client, query, &r)
	case q.other != 0 && (e.Reason == staple.NoMatch ||
		e.ResponderStatus == "unauthorized" || e.ResponderStatus == "malformedRequest"):
		second := answer{key: q.key, url: r.url}
		query.Hash = q.other
		if q.once(ctx, client, query, &second); second.err == nil {
			second.odd = append(second.odd, "it knows certificates by another hash: with `hash: "+hashName(q.other)+"` it is asked once")
			r = second
		}
	}
	return r
}

// once asks one time and verifies the answer.
func (q *question) once(ctx context.Context, client asker, query responder.Query, r *answer) {
	got, err := client.Ask(ctx, query)
	r.load = responder.LaneGood
	switch {
	case err != nil:
		r.staple, r.err, r.load = nil, err, responder.LaneNeutral
		if e, ok := errors.AsType[*responder.Error](err); ok {
			r.load = e.Verdict()
			if e.Kind == responder.KindHTTP {
				r.hold = e.RetryAfter
			}
		}
		return
	case got.NotModified:
		r.staple, r.err, r.held = nil, nil, query.Validators
	case got.Nonce == responder.NonceDiffers:
		r.stray = true
		r.staple, r.err = nil, &staple.Error{Reason: staple.NoMatch, Detail: "the nonce is another one: an answer to another request"}
	default:
		r.staple, r.err = q.checker.Verify(got.DER, q.chain, wall())
		r.held = got.Validators
		if e, ok := errors.AsType[*staple.Error](r.err); ok && busy[e.ResponderStatus] {
			r.load = responder.LaneOverloaded
		}
	}
	r.dated, r.skew = !got.Date.IsZero(), got.Skew
	r.fresh, r.odd = got.FreshUntil, got.Warnings
	if e, ok := errors.AsType[*staple.Error](r.err); ok && e.Reason == staple.Malformed && len(r.odd) > 0 {
		// That tells best what it is instead.
		r.err = &staple.Error{Reason: e.Reason, Detail: e.Detail + "; " + strings.Join(r.odd, "; ")}
		r.odd = nil
	}
}

// reason is "good", or why there is no staple, in the words of package staple
// or package responder.
func (r *answer) reason() string {
	if r.err == nil {
		return string(staple.Good)
	}
	if e, ok := errors.AsType[*staple.Error](r.err); ok {
		return string(e.Reason)
	}
	if e, ok := errors.AsType[*responder.Error](r.err); ok {
		return string(e.Kind)
	}
	return "no-issuer"
}

// busy are the error statuses by which a responder says that it cannot answer
// now (RFC 6960 section 2.3).
var busy = map[string]bool{"tryLater": true, "internalError": true}

// filesMoved reports whether somebody else has changed the staple files since
// the loop has read them; another process may have done this work.
func (q *question) filesMoved() bool {
	if q.force {
		return false
	}
	for _, f := range q.files {
		if stamp, err := watcher.StampOf(f.path); err == nil && stamp != f.stamp {
			return true
		}
	}
	return false
}

// sibling returns a target whose staple file can serve the others too.
func sibling(s *subject, now time.Time) *target {
	var good *target
	lacking := false
	for _, t := range s.targets {
		switch {
		case t.placing:
		case t.disk.current(now) && s.message == staple.Revoked && !t.supersedes(): // it only keeps it
		case t.disk.current(now):
			good = t
		case t.refusal == "" && t.failed == "":
			lacking = true
		}
	}
	if !lacking || s.attempts > 0 {
		return nil
	}
	return good
}

// borrow takes the staple of another file of the same leaf, verified again,
// so that a copy of a certificate costs no request.
func (a *Agent) borrow(s *subject, from *target) {
	s.asking = true
	a.askings++
	path, k, c, v := from.staple, s.key, s.chain, a.verifiers[s.key.strict]
	a.work.Go(func() {
		r := answer{key: k, url: path}
		der, err := readLimited(path)
		if err == nil {
			r.staple, err = v.Verify(der, c, wall())
		}
		r.moved = err != nil
		a.answers <- r
	})
}
