package staple_test

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

func TestAStapleSaysWhatTheResponseSaid(t *testing.T) {
	w := newWorld(t)
	r := w.delegated(w.delegate)
	r.ProducedAt = w.now.Add(-time.Hour)
	r.Singles[0].Hash = crypto.SHA256
	r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = w.now.Add(-2*time.Hour), w.now.Add(3*time.Hour)
	also(&r, func(s *lab.Single) { s.Serial = w.ca.Certificate.SerialNumber })
	der := w.encode(r)
	s := w.accept(der, staple.Options{})
	if !bytes.Equal(s.DER(), der) {
		t.Error("DER is not what was verified")
	}
	if s.Status != staple.Good || s.Hash != crypto.SHA256 || s.Singles != 2 || !s.Delegated || s.Signer != "CN=delegate" {
		t.Errorf("got %+v", s)
	}
	if !s.ProducedAt.Equal(r.ProducedAt) || !s.ThisUpdate.Equal(r.Singles[0].ThisUpdate) ||
		!s.NextUpdate.Equal(r.Singles[0].NextUpdate) || !s.Expires.Equal(s.NextUpdate) {
		t.Errorf("got times %v, %v, %v, %v", s.ProducedAt, s.ThisUpdate, s.NextUpdate, s.Expires)
	}
	if len(s.Warnings) > 0 {
		t.Errorf("got warnings %q, want none", s.Warnings)
	}
	der[len(der)-1] ^= 1
	if bytes.Equal(s.DER(), der) {
		t.Error("the staple changed with the caller's bytes")
	}
}

func TestASignersNameIsPrintable(t *testing.T) {
	w := newWorld(t)
	odd := w.issue(lab.IssueOptions{CommonName: "d\x1b[2J\nissuer-é", OCSPSigning: true})
	if got, want := w.accept(w.encode(w.delegated(odd)), staple.Options{}).Signer, "CN=d\ufffd[2J\ufffdissuer-é"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAStapleExpiresWithWhateverEndsFirst(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*world) lab.Response
		want   time.Duration // from now
	}{
		"nextUpdate": {func(w *world) lab.Response { return w.delegated(w.delegate) }, 5 * day},
		"the leaf": {func(w *world) lab.Response {
			w.chain.Leaf.NotAfter = w.now.Add(3 * day)
			return w.delegated(w.delegate)
		}, 3 * day},
		"the delegate": {func(w *world) lab.Response {
			return w.delegated(w.issue(lab.IssueOptions{OCSPSigning: true, CommonName: "d", NotAfter: w.now.Add(day)}))
		}, day},
		"a day without nextUpdate": {func(w *world) lab.Response {
			r := w.good()
			r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = w.now.Add(-time.Hour), time.Time{}
			return r
		}, 23 * time.Hour},
		"the earlier of two SingleResponses": {func(w *world) lab.Response {
			r := w.good()
			also(&r, func(s *lab.Single) { s.NextUpdate = w.now.Add(2 * day) })
			return r
		}, 2 * day},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.accept(w.encode(row.change(w)), staple.Options{})
			if got := s.Expires.Sub(w.now); got != row.want {
				t.Errorf("expires in %v, want %v", got, row.want)
			}
		})
	}
}

func TestWhatIsOddButAcceptedIsSaid(t *testing.T) {
	for want, change := range map[string]func(*world, *lab.Response){
		"no nextUpdate": func(w *world, r *lab.Response) {
			r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = w.now, time.Time{}
		},
		"ten days": func(w *world, r *lab.Response) { r.Singles[0].NextUpdate = w.now.Add(9 * day) },
		"seven days": func(w *world, r *lab.Response) {
			r.Singles[0].ThisUpdate = w.now.Add(-7*day - time.Second)
			r.Singles[0].NextUpdate = w.now.Add(day)
		},
		"notAfter":       func(w *world, _ *lab.Response) { w.chain.Leaf.NotAfter = w.now.Add(day) },
		"empty list":     func(_ *world, r *lab.Response) { r.Extensions = []pkix.Extension{} },
		"cannot be read": func(_ *world, r *lab.Response) { r.EmbedRaw = [][]byte{{0x30, 0x00}} },
		"2 SingleResp":   func(_ *world, r *lab.Response) { also(r, func(*lab.Single) {}) },
		"nocheck": func(w *world, r *lab.Response) {
			*r = w.delegated(w.issue(lab.IssueOptions{OCSPSigning: true, CommonName: "d"}))
		},
	} {
		w := newWorld(t)
		r := w.good()
		change(w, &r)
		s := w.accept(w.encode(r), staple.Options{})
		if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], want) {
			t.Errorf("got warnings %q, want one with %q", s.Warnings, want)
		}
	}
}

func TestAVerifiedRevocationIsAStatement(t *testing.T) {
	w := newWorld(t)
	r := w.good()
	s := &r.Singles[0]
	s.Status, s.RevokedAt, s.Reason = lab.Revoked, w.now.Add(-day), 1
	der := w.encode(r)
	got := w.refuse(der, staple.Options{}, staple.IsRevoked).Statement
	if got == nil || got.Status != staple.Revoked || !got.RevokedAt.Equal(s.RevokedAt) ||
		got.RevocationReason != "keyCompromise" || !bytes.Equal(got.DER(), der) {
		t.Errorf("got statement %+v", got)
	}
	s.Status = lab.Unknown
	if got := w.refuse(w.encode(r), staple.Options{}, staple.IsUnknown).Statement; got == nil || got.Status != staple.Unknown {
		t.Errorf("got statement %+v", got)
	}
	r.TamperSignature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
	if got := w.refuse(w.encode(r), staple.Options{}, staple.BadSignature).Statement; got != nil {
		t.Errorf("got statement %+v of what is not authentic, want none", got)
	}
}

func TestWhatIsOutOfItsTimeSaysItsTime(t *testing.T) {
	w := newWorld(t)
	r := w.good()
	w.now = r.Singles[0].NextUpdate
	e := w.refuse(w.encode(r), staple.Options{}, staple.Expired)
	if !e.ThisUpdate.Equal(r.Singles[0].ThisUpdate) || !e.NextUpdate.Equal(r.Singles[0].NextUpdate) {
		t.Errorf("got %v to %v, want %v to %v", e.ThisUpdate, e.NextUpdate, r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate)
	}
}

func TestANonceIsReadWithOrWithoutItsOctetString(t *testing.T) {
	for value, want := range map[string]string{
		"\x04\x03abc":      "abc",
		"abc":              "abc",
		"\x04\x03abcd":     "\x04\x03abcd",
		"\x04\x82\xff\xff": "\x04\x82\xff\xff",
	} {
		w := newWorld(t)
		r := w.good()
		r.Extensions = []pkix.Extension{{Id: oidMadeUp, Value: []byte{0}}, {Id: oidNonce, Value: []byte(value)}}
		if got := w.accept(w.encode(r), staple.Options{}).Nonce(); string(got) != want {
			t.Errorf("%x: got nonce %x, want %x", value, got, want)
		}
	}
	w := newWorld(t)
	if got := w.accept(w.encode(w.good()), staple.Options{}).Nonce(); got != nil {
		t.Errorf("got nonce %x of a response without, want nil", got)
	}
}

func TestNewerThanComparesThreeTimes(t *testing.T) {
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(this, produced, next int) *staple.Staple {
		hours := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Hour) }
		return &staple.Staple{ThisUpdate: hours(this), ProducedAt: hours(produced), NextUpdate: hours(next)}
	}
	base := at(5, 5, 5)
	for _, row := range []struct {
		s    *staple.Staple
		want bool
	}{
		{at(6, 0, 0), true}, {at(4, 9, 9), false},
		{at(5, 6, 0), true}, {at(5, 4, 9), false},
		{at(5, 5, 6), true}, {at(5, 5, 4), false},
		{at(5, 5, 5), false},
	} {
		if got := row.s.NewerThan(base); got != row.want {
			t.Errorf("%+v: got %v, want %v", row.s, got, row.want)
		}
	}
	if !base.NewerThan(nil) {
		t.Error("not newer than nothing")
	}
}

func TestThePlaceholderIsNoStaple(t *testing.T) {
	w := newWorld(t)
	if e := w.refuse(staple.Placeholder(), staple.Options{}, staple.ResponderError); e.ResponderStatus != "tryLater" {
		t.Errorf("got %q, want tryLater", e.ResponderStatus)
	}
	if !staple.IsPlaceholder(staple.Placeholder()) || staple.IsPlaceholder(w.encode(w.good())) || staple.IsPlaceholder(nil) {
		t.Error("the placeholder is not told from others")
	}
}
