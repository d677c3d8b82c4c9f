package profile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

func TestEachTraitIsSeenInItsSample(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	along := map[Trait][]Trait{ // what cannot be had alone
		unstapled: {unstapled, tryLater},
		over16K:   {over16K, over10K},
	}
	seen := map[Trait]bool{}
	for _, s := range samples(t, newPKI(t), now) {
		want := along[s.trait]
		if want == nil {
			want = []Trait{s.trait}
		}
		if got := TraitsOf(s.der, s.chain(t), now); !slices.Equal(got, want) {
			_, err := staple.Verify(s.der, s.chain(t), now, staple.Options{})
			t.Errorf("%s: got %v, want %v (%v)", s.trait, got, want, err)
		}
		seen[s.trait] = true
	}
	for _, trait := range Traits() {
		if !seen[trait] {
			t.Errorf("%s: no sample", trait)
		}
	}
}

func TestSeveralTraitsAreSeenAtOnce(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	pki := newPKI(t)
	all := samples(t, pki, now)
	leaf := all[len(all)-1].issued
	rows := []struct {
		name   string
		change func(*lab.Response)
		want   []Trait
	}{
		{"expired and revoked, two of them", func(r *lab.Response) {
			r.ProducedAt = now.Add(-3*aDay - time.Hour)
			r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, now.Add(-5*aDay)
			r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = now.Add(-4*aDay), now.Add(-3*aDay)
			second := r.Singles[0]
			second.Serial = pki.Root.Certificate.SerialNumber
			r.Singles = append(r.Singles, second)
		}, []Trait{saysRevoked, expired, multi}},
		{"ahead of its time and unknown", func(r *lab.Response) {
			r.Singles[0].Status, r.Singles[0].ThisUpdate = lab.Unknown, now.Add(time.Hour)
		}, []Trait{saysUnknown, future}},
		{"no nextUpdate, and octets after it", func(r *lab.Response) {
			r.Singles[0].NextUpdate = time.Time{}
			r.Tamper = func(b []byte) []byte { return append(b, 0) }
		}, []Trait{noNextUpdate, trailing}},
	}
	for _, row := range rows {
		r := pki.Intermediate.Vouch(leaf.Certificate, now.Add(-time.Hour), now.Add(aDay))
		row.change(&r)
		der, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := TraitsOf(der, sample{issued: leaf}.chain(t), now); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}

func TestNothingIsForeseenWithoutAnIssuer(t *testing.T) {
	s := samples(t, newPKI(t), time.Now())[0]
	c := s.chain(t)
	c.Issuer = nil
	if got := TraitsOf(s.der, c, time.Now()); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestEachReaderReactsToEachTraitOnce(t *testing.T) {
	for _, r := range Readers() {
		count := map[Trait]int{}
		for _, rule := range r.rules {
			for _, trait := range rule.to {
				count[trait]++
				does := []Reaction{Serves, Ignores, Fails}
				if r.Client {
					does = []Reaction{Accepts, Ignores, Refuses}
				}
				if !slices.Contains(does, rule.does) {
					t.Errorf("%s %s %s: not one of %v", r.Name, rule.does, trait, does)
				}
			}
		}
		for _, trait := range Traits() {
			if count[trait] != 1 {
				t.Errorf("%s reacts to %s %d times", r.Name, trait, count[trait])
			}
			delete(count, trait)
		}
		if len(count) > 0 {
			t.Errorf("%s reacts to %v, which is no trait", r.Name, count)
		}
	}
}

func TestEveryServerWithAProfileIsAReader(t *testing.T) {
	for _, name := range Names() {
		if name == "generic" {
			continue // nobody has measured it
		}
		if rs, err := ReadersByName([]string{name}); err != nil || rs[0].Client {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestProfilesAcceptWhatTheirServersServe holds what is published against what
// is foreseen: a verified response that a server would not serve must not get
// there, and one that its profile refuses must have a reason in the table.
func TestProfilesAcceptWhatTheirServersServe(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	for _, s := range samples(t, newPKI(t), now) {
		verified, err := staple.Verify(s.der, s.chain(t), now, staple.Options{})
		if err != nil {
			continue // never published
		}
		for _, name := range Names()[1:] {
			p, _ := ByName(name)
			rs, err := ReadersByName([]string{name})
			if err != nil {
				t.Fatal(err)
			}
			does := rs[0].Foresee(TraitsOf(s.der, s.chain(t), now)).Does
			if refusal := p.Accept(verified, now); (refusal == nil) != (does == Serves) {
				t.Errorf("%s %s: %s %s it, its profile says %v", s.trait, verified.Status, name, does, refusal)
			}
		}
	}
}

func TestTheWorstReactionCounts(t *testing.T) {
	rs, err := ReadersByName([]string{"haproxy", "firefox", "nginx"})
	if err != nil {
		t.Fatal(err)
	}
	traits := []Trait{saysRevoked, expired, multi}
	want := []Foresight{
		{Reader: "haproxy", Does: Ignores, Because: expired},
		{Reader: "firefox", Client: true, Does: Refuses, Because: saysRevoked},
		{Reader: "nginx", Does: Serves, Because: saysRevoked},
	}
	for i, r := range rs {
		got := r.Foresee(traits)
		if got.Detail == "" {
			t.Errorf("%s: no words", r.Name)
		}
		if got.Detail = ""; got != want[i] {
			t.Errorf("got %+v, want %+v", got, want[i])
		}
	}
}

func TestUnknownReaderIsAnErrorThatNamesThem(t *testing.T) {
	_, err := ReadersByName([]string{"nginx", "ngnix"})
	if err == nil || !strings.Contains(err.Error(), `"ngnix"`) || !strings.Contains(err.Error(), "trafficserver") || !strings.Contains(err.Error(), "gnutls") {
		t.Errorf("got %v", err)
	}
	if found, err := ReadersByName([]string{"nginx", " gnutls"}); err != nil || len(found) != 2 {
		t.Errorf("got %v, %v", found, err)
	}
	if all, err := ReadersByName([]string{AllReaders}); err != nil || len(all) != len(Readers()) {
		t.Errorf("all: %d, %v", len(all), err)
	}
}
