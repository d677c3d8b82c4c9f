package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// goodTarget is a target that is well: in the first quarter of a staple of
// eight hours. Rows change one thing each.
func goodTarget() *target {
	s := &subject{
		chain: &chain.Chain{
			Leaf:   &chain.Leaf{NotBefore: noon.Add(-24 * time.Hour), NotAfter: noon.Add(24 * time.Hour)},
			Issuer: new(chain.Issuer),
		},
		urls:    []string{"http://ocsp.example/"},
		askedAt: noon.Add(-time.Hour),
	}
	t := &target{sub: s, disk: disk{
		kind: valid, status: staple.Good,
		this: noon.Add(-time.Hour), next: noon.Add(7 * time.Hour), ends: noon.Add(7 * time.Hour),
	}}
	s.targets = []*target{t}
	return t
}

func TestState(t *testing.T) {
	rows := []struct {
		name   string
		change func(*target)
		at     time.Duration // after noon
		want   State
	}{
		{name: "valid", want: Fresh},
		{name: "past three quarters", at: 5*time.Hour + time.Minute, want: Late},
		{name: "an eighth left", at: 6*time.Hour + time.Minute, want: Ending},
		{name: "must-staple, past three quarters", at: 5*time.Hour + time.Minute, change: func(x *target) { x.sub.chain.Leaf.MustStaple = true }, want: Ending},
		{name: "ended this second", at: 7 * time.Hour, want: Expired},
		{name: "no file", change: func(x *target) { x.disk = disk{} }, want: Missing},
		{name: "no file and never asked", change: func(x *target) { x.disk = disk{}; x.sub.askedAt = time.Time{} }, want: Pending},
		{name: "placeholder", change: func(x *target) { x.disk = disk{kind: placeholder} }, want: Missing},
		{name: "file expired when it was read", change: func(x *target) { x.disk = disk{kind: invalid, reason: staple.Expired} }, want: Expired},
		{name: "file of another leaf", change: func(x *target) { x.disk = disk{kind: invalid, reason: staple.NoMatch} }, want: Missing},
		{name: "revoked", change: func(x *target) { x.sub.message, x.sub.stated = staple.Revoked, noon }, want: Revoked},
		{name: "revoked statement published", change: func(x *target) { x.disk.status = staple.Revoked }, want: Revoked},
		{name: "unknown beside a good staple", change: func(x *target) { x.sub.message = staple.Unknown }, want: Fresh},
		{name: "unknown and no staple", change: func(x *target) { x.sub.message = staple.Unknown; x.disk = disk{} }, want: Unknown},
		{name: "not for this server", change: func(x *target) { x.refusal = "too large"; x.disk = disk{} }, want: Refused},
		{name: "cannot be written", change: func(x *target) { x.failed = "read-only"; x.disk = disk{} }, want: NotWritable},
		{name: "no responder", change: func(x *target) { x.sub.urls = nil; x.disk = disk{} }, want: NoResponder},
		{name: "no responder, no issuer", change: func(x *target) { x.sub.urls = nil; x.sub.chain.Issuer = nil; x.disk = disk{} }, want: NoResponder},
		{name: "no responder, but a staple from elsewhere", change: func(x *target) { x.sub.urls = nil }, want: Fresh},
		{name: "no issuer", change: func(x *target) { x.sub.chain.Issuer = nil; x.disk = disk{kind: unverified} }, want: NoIssuer},
		{name: "leaf expired", change: func(x *target) { x.sub.chain.Leaf.NotAfter = noon }, want: LeafExpired},
		{name: "leaf not yet valid", change: func(x *target) { x.sub.chain.Leaf.NotBefore = noon.Add(time.Second) }, want: LeafNotYet},
		{name: "cannot be read", change: func(x *target) { x.trouble = unreadable }, want: Unreadable},
		{name: "staple path taken", change: func(x *target) { x.trouble = conflict }, want: PathConflict},
		{name: "no leaf in it", change: func(x *target) { x.trouble = notChain }, want: notACandidate},
	}
	seen := map[State]bool{}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			x := goodTarget()
			if row.change != nil {
				row.change(x)
			}
			got := stateOf(x, noon.Add(row.at))
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			seen[got] = true
		})
	}
	for _, s := range States() {
		if !seen[s] {
			t.Errorf("no row for the state %q", s)
		}
	}
}

func TestOKAndMustStaple(t *testing.T) {
	well := []State{Fresh, Late, Ending, NoResponder, LeafExpired, LeafNotYet}
	for _, s := range States() {
		if got, want := s.OK(false), slices.Contains(well, s); got != want {
			t.Errorf("%s: OK %v, want %v", s, got, want)
		}
	}
	if NoResponder.OK(true) {
		t.Error("a must-staple leaf without a responder is OK")
	}
}

func TestWithdrawal(t *testing.T) {
	policy := Policy{OnRevoked: Withdraw, OnUnknown: Keep}
	for _, row := range []struct {
		name   string
		change func(*target, *Policy)
		at     time.Duration
		want   profile.Cause
		due    bool
	}{
		{name: "valid", want: profile.Ending},
		{name: "six minutes before the end", at: 7*time.Hour - 6*time.Minute, want: profile.Ending},
		{name: "five minutes before the end", at: 7*time.Hour - 5*time.Minute, want: profile.Ending, due: true},
		{name: "must-staple, five minutes before the end", at: 7*time.Hour - 5*time.Minute, change: func(x *target, _ *Policy) { x.sub.chain.Leaf.MustStaple = true }, want: profile.Ending},
		{name: "must-staple, a minute before the end", at: 7*time.Hour - time.Minute, change: func(x *target, _ *Policy) { x.sub.chain.Leaf.MustStaple = true }, want: profile.Ending, due: true},
		{name: "no file", change: func(x *target, _ *Policy) { x.disk = disk{} }, want: profile.Absent, due: true},
		{name: "no file and no responder", change: func(x *target, _ *Policy) { x.disk = disk{}; x.sub.urls = nil }, want: profile.Absent, due: true},
		{name: "snippet without a staple", change: func(x *target, _ *Policy) { x.disk = disk{snippet: someStamp(t)} }, want: profile.Damaged, due: true},
		{name: "empty", change: func(x *target, _ *Policy) { x.disk = disk{kind: empty} }, want: profile.Damaged, due: true},
		{name: "placeholder", change: func(x *target, _ *Policy) { x.disk = disk{kind: placeholder} }},
		{name: "not verified for want of an issuer", change: func(x *target, _ *Policy) { x.disk = disk{kind: unverified} }, want: profile.Ending},
		{name: "not verified, and not ended", change: func(x *target, _ *Policy) { x.disk.kind = unverified }, want: profile.Ending},
		{name: "not verified, and ended in any case", change: func(x *target, _ *Policy) { x.disk.kind = unverified }, at: 7 * time.Hour, want: profile.Ending, due: true},
		{name: "rubbish", change: func(x *target, _ *Policy) { x.disk = disk{kind: invalid, reason: staple.Malformed} }, want: profile.Damaged, due: true},
		{name: "of another leaf", change: func(x *target, _ *Policy) { x.disk = disk{kind: invalid, reason: staple.NoMatch} }, want: profile.Renewed, due: true},
		{name: "of another issuer", change: func(x *target, _ *Policy) { x.disk = disk{kind: invalid, reason: staple.WrongIssuer} }, want: profile.Renewed, due: true},
		{name: "expired when read", change: func(x *target, _ *Policy) { x.disk = disk{kind: invalid, reason: staple.Expired} }, want: profile.Ending, due: true},
		{name: "revoked", change: func(x *target, _ *Policy) { x.sub.message, x.sub.stated = staple.Revoked, noon }, want: profile.Revoked, due: true},
		{name: "revoked, keep", change: func(x *target, p *Policy) { x.sub.message, x.sub.stated = staple.Revoked, noon; p.OnRevoked = Keep }, want: profile.Ending},
		{name: "revoked, publish", change: func(x *target, p *Policy) { x.sub.message, x.sub.stated = staple.Revoked, noon; p.OnRevoked = Publish }, want: profile.Ending},
		{name: "a revoked statement nobody wants published", change: func(x *target, _ *Policy) { x.disk.status = staple.Revoked }, want: profile.Revoked, due: true},
		{name: "an unknown statement nobody wants published", change: func(x *target, _ *Policy) { x.disk.status = staple.Unknown }, want: profile.Revoked, due: true},
		{name: "unknown beside a good staple", change: func(x *target, _ *Policy) { x.sub.message = staple.Unknown }, want: profile.Ending},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, p := goodTarget(), policy
			if row.change != nil {
				row.change(x, &p)
			}
			cause, due := withdrawal(x, p, noon.Add(row.at))
			if cause != row.want || due != row.due {
				t.Errorf("got %q %v, want %q %v", cause, due, row.want, row.due)
			}
		})
	}
}

func someStamp(t *testing.T) watcher.Stamp {
	t.Helper()
	s, err := watcher.StampOf(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhenToAsk(t *testing.T) {
	everyHour, err := schedule.ParseCron("0 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	half, threeQuarters := noon.Add(3*time.Hour), noon.Add(5*time.Hour)
	for _, row := range []struct {
		name     string
		gate     *schedule.Cron
		change   func(*target)
		from, to time.Time // from <= got <= to; both zero: never
	}{
		{name: "valid: before the half of its window", from: half.Add(-48 * time.Minute), to: half},
		{name: "valid, behind a schedule: within six minutes after the hour", gate: everyHour, from: half.Add(-time.Hour).Add(time.Second), to: half.Add(6 * time.Minute)},
		{name: "last quarter before the schedule's next time", gate: mustCron(t, "0 0 1 1 *"), from: threeQuarters, to: threeQuarters},
		{name: "no staple and never asked: at once", change: func(x *target) { x.disk = disk{}; x.sub.askedAt = time.Time{} }, from: noon.Add(-24 * time.Hour), to: noon},
		{name: "staple lost after a good answer: soon", change: func(x *target) { x.disk = disk{}; x.sub.askedAt = noon }, from: noon, to: noon.Add(2 * time.Second)},
		{name: "failed once without a staple: in a minute", change: func(x *target) { x.disk = disk{}; x.sub.attempts, x.sub.askedAt = 1, noon }, from: noon.Add(48 * time.Second), to: noon.Add(time.Minute)},
		{name: "nothing newer: not at once", change: func(x *target) { x.sub.quiet, x.sub.askedAt = true, half }, from: half.Add(15 * time.Minute), to: half.Add(time.Hour)},
		{name: "nothing newer, and caches keep it for longer", change: func(x *target) {
			x.sub.quiet, x.sub.askedAt, x.sub.fresh = true, half, half.Add(24*time.Hour)
		}, from: half.Add(15 * time.Minute), to: half.Add(time.Hour)},
		{name: "nothing newer, and caches let go of it soon", change: func(x *target) {
			x.disk.this, x.disk.ends = half.Add(-84*time.Hour), half.Add(84*time.Hour)
			x.sub.quiet, x.sub.askedAt, x.sub.fresh = true, half, half.Add(2*time.Hour)
			x.sub.chain.Leaf.NotAfter = half.Add(999 * time.Hour)
		}, from: half.Add(2 * time.Hour), to: half.Add(160 * time.Minute)},
		{name: "no nextUpdate: hourly", change: func(x *target) { x.disk.next, x.disk.ends = time.Time{}, x.disk.this.Add(24*time.Hour) }, from: noon, to: noon},
		{name: "revoked: seldom", change: func(x *target) { x.sub.message, x.sub.askedAt = staple.Revoked, noon }, from: noon.Add(15 * time.Minute), to: noon.Add(2 * time.Hour)},
		{name: "responder wants to be left alone", change: func(x *target) {
			x.sub.attempts, x.sub.askedAt, x.sub.failure = 1, noon, &Failure{retryAfter: 30 * time.Minute}
		}, from: noon.Add(30 * time.Minute), to: noon.Add(30 * time.Minute)},
		{name: "responder wants more than the staple can bear", change: func(x *target) {
			x.sub.attempts, x.sub.askedAt, x.sub.failure = 1, noon, &Failure{retryAfter: 24 * time.Hour}
		}, from: noon.Add(7 * time.Hour / 4), to: noon.Add(7 * time.Hour / 4)},
		{name: "brand-new leaf: each minute", change: func(x *target) {
			x.disk = disk{}
			x.sub.attempts, x.sub.askedAt, x.sub.expectUntil = 14, noon, noon.Add(time.Minute)
		}, from: noon.Add(48 * time.Second), to: noon.Add(time.Minute)},
		{name: "no responder", change: func(x *target) { x.sub.urls = nil }},
		{name: "no issuer", change: func(x *target) { x.sub.chain.Issuer = nil }},
		{name: "leaf ends before", change: func(x *target) { x.sub.chain.Leaf.NotAfter = noon }},
		{name: "leaf begins later", change: func(x *target) { x.disk = disk{}; x.sub.chain.Leaf.NotBefore = noon.Add(time.Hour) }, from: noon.Add(time.Hour), to: noon.Add(time.Hour)},
	} {
		t.Run(row.name, func(t *testing.T) {
			x := goodTarget()
			if row.change != nil {
				row.change(x)
			}
			a := &Agent{o: Options{Schedule: row.gate}}
			got := a.askAt(x.sub, noon)
			if got.Before(row.from) || got.After(row.to) {
				t.Errorf("got %v, want between %v and %v", got, row.from, row.to)
			}
		})
	}
}

func mustCron(t *testing.T, expr string) *schedule.Cron {
	t.Helper()
	c, err := schedule.ParseCron(expr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDiskNeverTakesAnOlderStaple(t *testing.T) {
	x := goodTarget()
	at := func(this, made, next time.Duration) *staple.Staple {
		return &staple.Staple{ThisUpdate: x.disk.this.Add(this), ProducedAt: x.disk.made.Add(made), NextUpdate: x.disk.next.Add(next)}
	}
	for name, row := range map[string]struct {
		s    *staple.Staple
		want bool
	}{
		"the same":                        {at(0, 0, 0), false},
		"later thisUpdate":                {at(1, -1, -1), true},
		"earlier thisUpdate":              {at(-1, 1, 1), false},
		"same thisUpdate, made later":     {at(0, 1, 0), true},
		"same but for a later nextUpdate": {at(0, 0, 1), true},
	} {
		if got := x.disk.olderThan(row.s); got != row.want {
			t.Errorf("%s: older than it: %v, want %v", name, got, row.want)
		}
	}
}

func TestStaplePath(t *testing.T) {
	for _, row := range [][3]string{
		{"{path}.ocsp", "/a/site.pem", "/a/site.pem.ocsp"},
		{"{dir}/staples/{name}.ocsp", "/a/site.pem", "/a/staples/site.ocsp"},
		{"/var/lib/restaple/{base}.ocsp", "/a/site.pem", "/var/lib/restaple/site.pem.ocsp"},
		{"staples/{base}.ocsp", "/a/site.pem", "/a/staples/site.pem.ocsp"},
		{"{path}.ocsp", "/a/site.pem.rsa", "/a/site.pem.rsa.ocsp"},
		// printf %s /etc/hitch/site.pem | md5sum
		{"/var/lib/hitch/{md5}", "/etc/hitch/site.pem", "/var/lib/hitch/1e7a6777e96d41b8f2a890bee7210479"},
	} {
		if got := StaplePath(row[0], row[1]); got != row[2] {
			t.Errorf("%s of %s: got %s, want %s", row[0], row[1], got, row[2])
		}
	}
	for template, good := range map[string]bool{
		"{path}.ocsp": true, "/x/{md5}": true, "{dir}/{name}.der": true, "{path}": false, "{dir}/{base}": false, "{nme}.ocsp": false, "/x/": false, "{path.ocsp": false,
	} {
		if err := CheckTemplate(template); (err == nil) != good {
			t.Errorf("template %q: %v", template, err)
		}
	}
}

func TestLiftedHoldBeatsAnOldRevocation(t *testing.T) {
	x := goodTarget()
	x.sub.message, x.sub.stated = staple.Revoked, x.disk.this
	if got := stateOf(x, noon); got != Revoked {
		t.Errorf("statement as new as the staple: %q, want revoked", got)
	}
	x.disk.this = x.disk.this.Add(time.Second) // another process has placed it
	if got := stateOf(x, noon); got != Fresh {
		t.Errorf("newer staple: %q, want fresh", got)
	}
	if cause, due := withdrawal(x, Policy{OnRevoked: Withdraw, OnUnknown: Keep}, noon); due {
		t.Errorf("newer staple withdrawn: %s", cause)
	}
}

func TestRevokedIsAskedAgainInItsOwnWindow(t *testing.T) {
	x := goodTarget()
	x.disk = disk{}
	x.sub.message, x.sub.askedAt = staple.Revoked, noon
	x.sub.stated, x.sub.statedTo = noon.Add(-time.Second), noon.Add(time.Minute)
	if got := new(Agent).askAt(x.sub, noon); got.After(noon.Add(time.Minute)) {
		t.Errorf("asked again at %v, after the statement's own end", got)
	}
}
