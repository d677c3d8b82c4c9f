package prove

import (
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

func TestWhatIsServedBesideWhatIsOnDisk(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	today := w.response(time.Minute, nil)
	yesterday := w.response(time.Hour, nil)
	twin := w.response(time.Minute, func(r *lab.Response) { r.Singles[0].Reason = lab.NoReason })
	ended := w.response(2*time.Hour, func(r *lab.Response) { r.Singles[0].NextUpdate = w.now.Add(-time.Minute) })
	revoked := w.response(time.Minute, func(r *lab.Response) { r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, w.now })
	unknown := w.response(time.Minute, func(r *lab.Response) { r.Singles[0].Status = lab.Unknown })
	foreign := w.response(time.Minute, func(r *lab.Response) { r.Singles[0].Serial = big.NewInt(4711) })
	const nothingKnown = "-" // about the disk
	refuses := func(*staple.Staple, time.Time) error { return errors.New("not this one") }
	rows := []struct {
		name   string
		served []byte
		disk   string // the file's content; "": no file
		change func(*Comparison)
		want   Result
		reason staple.Reason
		same   bool
	}{
		{name: "the one on disk", served: today, disk: string(today), want: Proven, same: true},
		{name: "good, and nothing known", served: today, disk: nothingKnown, want: Valid},
		{name: "none, and nothing known", disk: nothingKnown, want: Nothing},
		{name: "none, and none on disk", want: Nothing, same: true},
		{name: "none, and the placeholder on disk", disk: string(staple.Placeholder()), want: Nothing, same: true},
		{name: "none, and an ended one on disk", disk: string(ended), want: Nothing, same: true},
		{name: "none, and a good one on disk", disk: string(today), want: NoneServed},
		{name: "none, and one on disk that the server does not take", disk: string(today), want: Nothing, same: true,
			change: func(c *Comparison) { c.Accepts = refuses }},
		{name: "none, and one on disk that cannot be verified", disk: string(today), want: NoneServed,
			change: func(c *Comparison) { c.Chain.Issuer = nil }},
		{name: "none for a leaf that demands it", want: NoneServed, same: true,
			change: func(c *Comparison) { c.Chain.Leaf.MustStaple = true }},
		{name: "none, and the leaf has expired", disk: string(today), want: Nothing, same: true,
			change: func(c *Comparison) { c.Chain.Leaf.MustStaple, c.Chain.Leaf.NotAfter = true, c.Now.Add(-time.Second) }},
		{name: "none for a leaf that demands it, and nothing known", disk: nothingKnown, want: NoneServed,
			change: func(c *Comparison) { c.Chain.Leaf.MustStaple = true }},
		{name: "the placeholder, and a good one on disk", served: staple.Placeholder(), disk: string(today), want: Placeholder},
		{name: "the placeholder, as on disk", served: staple.Placeholder(), disk: string(staple.Placeholder()), want: Placeholder, same: true},
		{name: "yesterday's", served: yesterday, disk: string(today), want: OlderServed},
		{name: "yesterday's, of a server that is in no hurry", served: yesterday, disk: string(today), want: OlderForNow, same: true,
			change: func(c *Comparison) { c.Lazy = time.Minute }},
		{name: "yesterday's, of a server that is late", served: yesterday, disk: string(today), want: OlderServed,
			change: func(c *Comparison) { c.Lazy = 10000 * time.Hour }},
		{name: "tomorrow's", served: today, disk: string(yesterday), want: NewerServed},
		{name: "another of the same time", served: today, disk: string(twin), want: OtherServed},
		{name: "good, and none on disk", served: today, want: NotOnDisk},
		{name: "good, and the placeholder on disk", served: today, disk: string(staple.Placeholder()), want: NotOnDisk},
		{name: "good, and garbage on disk", served: today, disk: "garbage", want: NotOnDisk},
		{name: "about another certificate", served: foreign, disk: string(today), want: Mismatch, reason: staple.NoMatch},
		{name: "ended", served: ended, disk: string(today), want: Ended, reason: staple.Expired},
		{name: "ended, as on disk", served: ended, disk: string(ended), want: Ended, reason: staple.Expired, same: true},
		{name: "revoked, as published", served: revoked, disk: string(revoked), want: Revoked, reason: staple.IsRevoked, same: true},
		{name: "revoked, and nothing known", served: revoked, disk: nothingKnown, want: Revoked, reason: staple.IsRevoked},
		{name: "unknown", served: unknown, disk: nothingKnown, want: Unknown, reason: staple.IsUnknown},
		{name: "garbage", served: []byte("garbage"), disk: string(today), want: Invalid, reason: staple.Malformed},
		{name: "an error of the responder", served: []byte{0x30, 3, 10, 1, 6}, disk: nothingKnown, want: Invalid, reason: staple.ResponderError},
		{name: "no issuer, as on disk", served: today, disk: string(today), want: NoIssuer, reason: staple.WrongIssuer, same: true,
			change: func(c *Comparison) { c.Chain.Issuer = nil }},
		{name: "no issuer", served: today, disk: nothingKnown, want: NoIssuer, reason: staple.WrongIssuer,
			change: func(c *Comparison) { c.Chain.Issuer = nil }},
	}
	seen := map[Result]bool{ // what no comparison can find
		OtherLeaf: true, Unreadable: true, Unreachable: true, NoHandshake: true,
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := Comparison{Chain: w.chain(), Served: row.served, Now: w.now}
			if row.disk != nothingKnown {
				c.HasDisk, c.Disk = true, []byte(row.disk)
			}
			if row.change != nil {
				row.change(&c)
			}
			got := Compare(c)
			if got.Result != row.want || got.Reason != row.reason || got.Same != row.same || got.Detail == "" {
				t.Errorf("got %s %q, same %v (%s), want %s %q, same %v", got.Result, got.Reason, got.Same, got.Detail, row.want, row.reason, row.same)
			}
			if ok := row.want == Proven || row.want == Valid || row.want == OlderForNow; got.OK() != ok || ok && got.Staple == nil {
				t.Errorf("OK %v, staple %v", got.OK(), got.Staple)
			}
			if says := row.want == Revoked || row.want == Unknown; says && got.Staple == nil {
				t.Error("no staple, although it verified")
			}
			seen[row.want] = true
		})
	}
	for _, r := range Results() {
		if !seen[r] {
			t.Errorf("%s: no row", r)
		}
		delete(seen, r)
	}
	if len(seen) > 0 {
		t.Errorf("not among the results: %v", seen)
	}
}
