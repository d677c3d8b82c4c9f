package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// brandNew is for how long a CA may not know a leaf that it has just issued
// (CA/Browser Forum BR 4.9.9 allows 15 minutes).
const brandNew = 15 * time.Minute

// onObserved takes in what looks have found.
func (a *Agent) onObserved(ctx context.Context, found []observation) {
	a.lookings -= len(found)
	now := wall()
	var again []look
	touched := make(map[*subject]bool)
	for _, o := range found {
		t := a.targets[o.key]
		if t == nil {
			continue // gone meanwhile
		}
		t.looking = false
		if t.again && !t.placing {
			t.again = false
			again = a.want(again, o.key, watcher.Stamp{})
			continue // what was found may be old already
		}
		if t.placing {
			t.again = true // what was found is about to change
			continue
		}
		if old := t.sub; old != nil {
			touched[old] = true
		}
		if !o.same {
			a.take(t, o, now)
		}
		a.offerNext(t, now)
		if t.sub != nil {
			touched[t.sub] = true
		}
	}
	for s := range touched {
		if len(s.targets) > 0 {
			a.evaluate(ctx, s, now)
		}
	}
	a.observe(ctx, again)
}

// take makes t what an observation says of it.
func (a *Agent) take(t *target, o observation, now time.Time) {
	if t.failed != "" && o.disk.stamp != t.disk.stamp {
		a.retry(t) // what was in the way may have gone
	}
	t.stamp, t.disk, t.around = o.stamp, o.disk, o.around
	_, system := errors.AsType[syscall.Errno](o.err)
	t.hopeless = o.err != nil && !system
	switch {
	case errors.Is(o.err, fs.ErrNotExist):
		a.forget(t)
		return
	case errors.Is(o.err, chain.ErrNotChain), !a.explicit[t.key.path] && mayBeNoChain(t.key.path, o.err):
		a.detach(t)
		if a.explicit[t.key.path] {
			a.setTrouble(t, unreadable, o.err.Error())
		} else {
			t.trouble, t.problem = notChain, ""
			a.count(t, notACandidate)
		}
		return
	case o.err != nil:
		a.detach(t)
		a.setTrouble(t, unreadable, o.err.Error())
		return
	}
	if problem := a.conflictOf(t); problem != "" {
		a.detach(t)
		a.setTrouble(t, conflict, problem)
		return
	}
	t.trouble, t.problem = none, ""
	a.attach(t, o.chain, now)
	a.fit(t, o.unfit)
	a.owners[t.staple] = t
	if t.snippet != "" {
		a.owners[t.snippet] = t
	}
	if t.staple != t.key.path+".ocsp" {
		a.elsewhere.Store(t.staple, t.key.path)
		a.watchDir(filepath.Dir(t.staple))
	}
	a.o.Index.put(t, &a.o.Groups[t.key.group])
}

// retry has the staple file of t written without a pause, though that has
// failed before.
func (a *Agent) retry(t *target) {
	t.failures, t.writeAt = 0, time.Time{}
	if s := t.sub; s != nil && s.failure == nil {
		s.attempts = 0 // they were of the writing
	}
}

// mayBeNoChain says what else to pass over quietly where a whole directory is
// looked after: what is half-written, or only looks so, changes when it is
// whole; and a private key that cannot be read is as it should be.
func mayBeNoChain(path string, err error) bool {
	return errors.Is(err, chain.ErrIncomplete) ||
		errors.Is(err, fs.ErrPermission) && strings.Contains(strings.ToLower(filepath.Base(path)), "key")
}

// watchDir has staples watched that do not lie beside their certificates.
func (a *Agent) watchDir(dir string) {
	if !a.stapleDirs[dir] {
		a.stapleDirs[dir] = true
		a.watch.WatchStaples(slices.Sorted(maps.Keys(a.stapleDirs)))
	}
}

// conflictOf says which file of t belongs to another, or is something else than
// restaple would write there; "" if there is none.
func (a *Agent) conflictOf(t *target) string {
	if other := a.owners[t.staple]; other != nil && other != t {
		return fmt.Sprintf("its staple %s is already that of %s", t.staple, other.key.path)
	}
	if t.disk.kind == foreign || a.isCertificate(t) {
		return fmt.Sprintf("its staple %s would replace a certificate or a key", t.staple)
	}
	if t.snippet == "" {
		return ""
	}
	if t.snippet == t.staple {
		return fmt.Sprintf("its snippet %s would replace its staple", t.snippet)
	}
	if other := a.owners[t.snippet]; other != nil && other != t {
		return fmt.Sprintf("its snippet %s is already that of %s", t.snippet, other.key.path)
	}
	if t.disk.stray {
		return fmt.Sprintf("its snippet %s would replace a file that holds something else", t.snippet)
	}
	return ""
}

// isCertificate reports whether the staple file of t is a certificate file, by
// path or because both are the same file.
func (a *Agent) isCertificate(t *target) bool {
	if t.staple == t.key.path || t.disk.stamp.SameFile(t.stamp) {
		return true
	}
	other := a.targets[targetKey{t.staple, t.key.group}]
	return other != nil && other.trouble != notChain
}

// setTrouble notes why nothing can be done for t, and says it once.
func (a *Agent) setTrouble(t *target, tr trouble, problem string) {
	same := t.trouble == tr && t.problem == problem
	t.trouble, t.problem = tr, problem
	a.count(t, stateOf(t, wall()))
	if same {
		return
	}
	a.log.Warn("certificate passed over", "cert", t.key.path, "err", problem)
	t.said = stateOf(t, wall())
}

// attach puts t with the subject of its leaf.
func (a *Agent) attach(t *target, c *chain.Chain, now time.Time) {
	g := &a.o.Groups[t.key.group]
	k := subjectKey{leaf: c.Leaf.Fingerprint, responder: g.Responder, strict: g.Strict}
	if t.sub != nil && t.sub.key == k {
		a.learn(t.sub, c)
		return
	}
	renewed := t.sub != nil
	a.detach(t)
	s := a.subjects[k]
	if s == nil {
		s = &subject{key: k, chain: c, urls: askable(c.Leaf.Responders)}
		if g.Responder != "" {
			s.urls, s.override = []string{g.Responder}, true
		}
		s.force = a.o.Force
		s.expectUntil = newUntil(t.stamp.ModTime(), c.Leaf.NotBefore, now)
		s.failure = a.memory.recall(k.leaf)
		s.logged = s.failure.saidBefore()
		a.recallStatement(s, t)
		a.subjects[k] = s
	} else {
		a.learn(s, c)
	}
	t.sub = s
	a.recallFile(t)
	s.targets = append(s.targets, t)
	if a.o.Groups[t.key.group].Profile.OnePerBlock {
		a.keyTypes.add(t)
	}
	switch {
	case renewed:
		a.log.Info("certificate renewed", "cert", t.key.path, "serial", c.Leaf.SerialHex())
	default:
		a.log.Debug("certificate found", "cert", t.key.path, "serial", c.Leaf.SerialHex())
	}
}

// recallStatement takes in what an earlier process heard of s, which t has
// brought. A revocation stays known until an answer says otherwise; one that
// hooks may not have been told of yet is asked for and said anew.
func (a *Agent) recallStatement(s *subject, t *target) {
	f := s.failure
	switch {
	case f == nil:
		return
	case f.Told && !f.Stated.IsZero():
		s.message, s.stated = staple.Revoked, f.Stated
		a.log.Error("certificate was revoked when it was last asked about", "cert", t.key.path,
			"serial", s.chain.Leaf.SerialHex(), "this_update", stamp(f.Stated))
	case a.o.LookOnly && f.Reason == string(staple.IsUnknown):
		s.message = staple.Unknown
	}
	if a.o.LookOnly && s.message == staple.Revoked {
		s.askedAt = f.At
	}
}

// recallFile takes in what an earlier process knew of the staple file of t.
// Whoever writes finds out anew whether it is still so.
func (a *Agent) recallFile(t *target) {
	s := t.sub
	f := a.memory.recallFile(s.key.leaf, t.staple)
	t.refusal, t.failed, t.noted = "", "", f != nil
	if f == nil || !a.o.LookOnly {
		return
	}
	t.failedAt = f.At
	switch f.Reason {
	case string(NotWritable):
		t.failed = f.Message
	case string(Refused):
		t.refusal, s.quiet = f.Message, true
	}
	if f.At.After(s.askedAt) {
		s.askedAt = f.At
	}
}

// learn takes over the issuer that was missing: what went wrong without it no
// longer counts.
func (a *Agent) learn(s *subject, c *chain.Chain) {
	if s.chain.Issuer != nil || c.Issuer == nil {
		return
	}
	s.chain = c
	a.memory.dirty = a.memory.dirty || s.failure != nil
	s.attempts, s.askedAt, s.failure, s.logged = 0, time.Time{}, nil, nil
}

// newUntil says until when a leaf counts as brand-new. The time of its file may
// be anything; a time that is yet to come says nothing.
func newUntil(placed, notBefore, now time.Time) time.Time {
	if placed.After(now) {
		placed = now
	}
	if placed.After(notBefore) {
		return placed.Add(brandNew)
	}
	return notBefore.Add(brandNew)
}

// detach takes t from its subject; a subject without targets is gone.
func (a *Agent) detach(t *target) {
	if a.owners[t.staple] == t {
		delete(a.owners, t.staple)
		delete(a.owners, t.snippet)
		a.elsewhere.Delete(t.staple)
	}
	s := t.sub
	if s == nil {
		return
	}
	if a.o.Groups[t.key.group].Profile.OnePerBlock {
		a.keyTypes.remove(t)
	}
	t.sub, t.next = nil, nil
	delete(a.touches, t)
	a.hold(t, nil)
	a.o.Index.put(t, nil)
	s.targets = slices.DeleteFunc(s.targets, func(o *target) bool { return o == t })
	s.At = wall() // it may have waited for t
	if len(s.targets) == 0 {
		s.At = time.Time{}
		delete(a.subjects, s.key)
	}
	a.due.Set(s)
}

// forget drops a certificate file that is no longer there. Its staple stays:
// it is still a true statement, and it is not known whether a server needs it.
func (a *Agent) forget(t *target) {
	if t.sub != nil {
		a.log.Info("certificate gone", "cert", t.key.path)
	}
	if a.owners[t.staple] == t && a.tally.States[PathConflict] > 0 {
		a.rescan = true // its place may be what another one waits for
	}
	a.detach(t)
	a.count(t, notACandidate)
	delete(a.targets, t.key)
}

func (a *Agent) forgetPath(path string) {
	for i := range a.o.Groups {
		if t := a.targets[targetKey{path, i}]; t != nil {
			a.forget(t)
		}
	}
}
