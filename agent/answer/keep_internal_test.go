package answer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func TestWhatIsKeptIsRefreshedDailyAndThenHourly(t *testing.T) {
	const week = 7 * day
	for _, test := range []struct {
		name             string
		window           time.Duration
		noNext           bool
		fetched          time.Duration // after thisUpdate
		attempts         int
		soonest, noLater time.Duration // likewise
	}{
		{"a week, fresh", week, false, 0, 0, day, day},
		{"a week, fetched late on the first day", week, false, 23 * time.Hour, 0, day, day},
		{"a week, on the second", week, false, 25 * time.Hour, 0, 2 * day, 2 * day},
		{"a week, the day of its middle", week, false, 73 * time.Hour, 0, 73 * time.Hour, 84 * time.Hour},
		{"a week, past its middle", week, false, 90 * time.Hour, 0, 90 * time.Hour, 91 * time.Hour},
		{"a week, about to end", week, false, week - 2*time.Hour, 0, week - 2*time.Hour, week - 90*time.Minute},
		{"a week, once failed", week, false, 90 * time.Hour, 1, 90*time.Hour + 45*time.Second, 90*time.Hour + time.Minute},
		{"an hour, fresh", time.Hour, false, time.Minute, 0, 24 * time.Minute, 30 * time.Minute},
		{"an hour, past its middle", time.Hour, false, 31 * time.Minute, 0, 31 * time.Minute, 39 * time.Minute},
		{"ten minutes", 10 * time.Minute, false, 0, 0, 4 * time.Minute, 5 * time.Minute},
		{"no nextUpdate", day, true, time.Minute, 0, time.Hour, time.Hour},
		{"no nextUpdate, an hour later", day, true, 61 * time.Minute, 0, 61 * time.Minute, 2 * time.Hour},
		{"for ever", 0, false, 100 * day, 0, 100 * day, 100*day + time.Hour},
		{"fetched before it was made", week, false, -time.Hour, 0, day, day},
	} {
		t.Run(test.name, func(t *testing.T) {
			ends := noon.Add(test.window)
			if test.name == "for ever" {
				ends = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)
			}
			for seed := range byte(20) {
				e := &entry{this: noon, ends: ends, hasNext: !test.noNext, fetched: noon.Add(test.fetched), attempts: test.attempts}
				e.seed[0] = seed
				got := e.refreshAt(nil).Sub(noon)
				if got < test.soonest || got > test.noLater || got <= test.fetched {
					t.Errorf("got %v, want it between %v and %v", got, test.soonest, test.noLater)
				}
			}
		})
	}
}

// TestWhatIsKeptFollowsTheSchedule: up to the middle of its life. It is urgent
// after three quarters, and what is past its middle is asked for hourly.
func TestWhatIsKeptFollowsTheSchedule(t *testing.T) {
	const week = 7 * day
	for _, test := range []struct {
		name, cron       string
		fetched          time.Duration // after thisUpdate, which is at noon
		soonest, noLater time.Duration // likewise
	}{
		{"at two each night", "TZ=UTC 0 2 * * *", 0, day + 14*time.Hour, day + 15*time.Hour},
		{"at two, on the third day", "TZ=UTC 0 2 * * *", 2*day + 14*time.Hour, 3*day + 14*time.Hour, 3*day + 15*time.Hour},
		{"at two, past its middle", "TZ=UTC 0 2 * * *", 90 * time.Hour, 90 * time.Hour, 91 * time.Hour},
		{"once a year", "TZ=UTC 0 2 1 1 *", 0, week * 3 / 4, week * 3 / 4},
		{"each minute", "* * * * *", 0, day, day + time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			gate, err := schedule.ParseCron(test.cron)
			if err != nil {
				t.Fatal(err)
			}
			for seed := range byte(20) {
				e := &entry{this: noon, ends: noon.Add(week), hasNext: true, fetched: noon.Add(test.fetched)}
				e.seed[0] = seed
				if got := e.refreshAt(gate).Sub(noon); got < test.soonest || got > test.noLater || got <= test.fetched {
					t.Errorf("got %v, want it between %v and %v", got, test.soonest, test.noLater)
				}
			}
		})
	}
}

func TestWhoeverKeepsAResponseAsksAtTheSameTime(t *testing.T) {
	e := &entry{this: noon, ends: noon.Add(7 * day), hasNext: true}
	for fetched := time.Duration(0); fetched < 6*day; fetched += 53 * time.Minute {
		e.fetched = noon.Add(fetched)
		at := e.refreshAt(nil)
		e.fetched = noon.Add(fetched + 7*time.Second) // the other one was slower
		if other := e.refreshAt(nil); !other.Equal(at) && !at.Before(e.fetched) {
			t.Errorf("fetched %v after thisUpdate: one asks at %v, the other at %v", fetched, at, other)
		}
	}
}

// newTestKeeper is a keeper whose lanes do not run: what is launched stays in
// the air.
func newTestKeeper(t *testing.T) (*keeper, *source) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := chain.NewIssuer(cert)
	if err != nil {
		t.Fatal(err)
	}
	client := responder.New(responder.Options{})
	t.Cleanup(client.Close)
	verifiers := map[bool]*staple.Verifier{false: staple.NewVerifier(staple.Options{})}
	k := newKeeper(&Options{Client: client, Lanes: responder.NewLanes(responder.LaneOptions{}), StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, newShelf(shelfSize), verifiers, new(counters))
	return k, &source{issuer: issuer, responders: []string{"http://127.0.0.1:1/"}}
}

func (s *source) wanted(serial string) wanted {
	return wanted{key: keptKey{keyOf(s.issuer), serial, crypto.SHA1}, source: s, remote: "192.0.2.1:1"}
}

func TestWhatIsDueIsTendedTo(t *testing.T) {
	for _, test := range []struct {
		name    string
		entry   entry
		now     time.Time
		flies   bool
		dropped bool
		again   time.Time
	}{
		{"asked for lately", entry{this: noon, ends: noon.Add(day), asked: noon}, noon.Add(12 * time.Hour), true, false, time.Time{}},
		{"asked for within its life", entry{this: noon, ends: noon.Add(7 * day), asked: noon}, noon.Add(6 * day), true, false, time.Time{}},
		{"wanted by nobody for a day", entry{this: noon, ends: noon.Add(7 * day), asked: noon.Add(-2 * day)}, noon.Add(6 * day), false, true, time.Time{}},
		{"wanted by nobody, and short", entry{this: noon.Add(day - time.Minute), ends: noon.Add(day + time.Hour), asked: noon}, noon.Add(day + time.Second), false, true, time.Time{}},
		{"ended", entry{this: noon, ends: noon.Add(time.Hour), asked: noon.Add(time.Hour)}, noon.Add(time.Hour), false, true, time.Time{}},
		{"nothing known, asked for lately", entry{asked: noon}, noon.Add(time.Minute), false, false, noon.Add(forgetTime)},
		{"nothing known", entry{asked: noon}, noon.Add(forgetTime), false, true, time.Time{}},
		{"on its way", entry{asked: noon, flight: &flight{}}, noon.Add(day), false, false, time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, s := newTestKeeper(t)
			e := k.add(s.wanted("\x05"))
			path := e.path
			flying := test.entry.flight
			e.this, e.ends, e.asked, e.flight = test.entry.this, test.entry.ends, test.entry.asked, flying
			e.At = test.now
			k.due.Set(e)
			gone, _ := k.step(test.now)
			if got := e.flight != flying; got != test.flies {
				t.Errorf("asked about: got %v, want %v", got, test.flies)
			}
			if got := k.entries[e.key] == nil; got != test.dropped {
				t.Errorf("forgotten: got %v, want %v", got, test.dropped)
			}
			if !e.At.Equal(test.again) {
				t.Errorf("next: got %v, want %v", e.At, test.again)
			}
			if want := test.dropped && !test.entry.this.IsZero(); (len(gone) == 1 && gone[0] == path) != want {
				t.Errorf("files that go: got %v, want it in them: %v", gone, want)
			}
		})
	}
}

func TestAShelfHasItsLimit(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(10 * overhead)
	for i := range 100 {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte("no staple"), 0o644); err != nil {
			t.Fatal(err)
		}
		s.read(path, &chain.Chain{}, staple.NewVerifier(staple.Options{}), noon)
		s.read(path+".missing", &chain.Chain{}, staple.NewVerifier(staple.Options{}), noon)
	}
	if s.size > 10*overhead || len(s.byFile) != 10 || s.used.Len() != 10 {
		t.Errorf("got %d octets, %d files, want ten", s.size, len(s.byFile))
	}
}

func TestClientsAreTheirNetworks(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5":               "192.0.2.1/32",
		"[::ffff:192.0.2.1]:5":      "192.0.2.1/32",
		"[2001:db8::1:2:3:4]:5":     "2001:db8::/64",
		"[fe80::1%eth0]:5":          "fe80::/64",
		"@":                         "invalid Prefix",
		"":                          "invalid Prefix",
		"[2001:db8:0:1:2:3:4:5]:77": "2001:db8:0:1::/64",
	} {
		if got := clientOf(remote).String(); got != want {
			t.Errorf("%s: got %s, want %s", remote, got, want)
		}
	}
}

func TestManyClientsShareOneLimit(t *testing.T) {
	l := newLimits(1, 2)
	for i := range maxClients {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		for range 2 {
			if !l.allow(netip.AddrPortFrom(addr, 1).String(), noon) {
				t.Fatalf("client %d has no limit of its own", i)
			}
		}
	}
	got := 0
	for i := range 100 {
		if l.allow(fmt.Sprintf("192.0.2.%d:1", i), noon) {
			got++
		}
	}
	if got != 2 || len(l.by) != maxClients {
		t.Errorf("a hundred more: %d came through, want 2; %d are known", got, len(l.by))
	}
	if !l.allow("192.0.2.1:1", noon.Add(time.Minute)) || len(l.by) != 1 {
		t.Errorf("after a minute of quiet: %d are known, want one", len(l.by))
	}
	var none *limits
	if !none.allow("", noon) {
		t.Error("no limit at all limits")
	}
}

func TestAFilesNameSaysWhatItIsAbout(t *testing.T) {
	_, s := newTestKeeper(t)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		k := keptKey{keyOf(s.issuer), "\x00\x80\x01", h}
		got, ok := keyOfFile(k.path("/state"))
		if !ok || got != k {
			t.Errorf("%v: got %v, %v, want %v", h, got, ok, k)
		}
	}
	good := keptKey{keyOf(s.issuer), "\x01", crypto.SHA1}.path("/state")
	dir := filepath.Dir(good)
	for _, path := range []string{
		"", "/", "01.sha1.ocsp", "/state/answers/x/01.sha1.ocsp", dir, dir + "/01.ocsp", dir + "/01.sha1", dir + "/.sha1.ocsp",
		dir + "/xx.sha1.ocsp", dir + "/0001.sha1.ocsp", dir + "/01.md5.ocsp", dir + "/.restaple-01.sha1.ocsp", filepath.Dir(dir) + "/aa-bb/01.sha1.ocsp",
	} {
		if k, ok := keyOfFile(path); ok {
			t.Errorf("%q: got %v", path, k)
		}
	}
}
