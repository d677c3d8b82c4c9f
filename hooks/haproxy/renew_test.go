package haproxy

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestAReloadIsNoticedAndHealed(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	stale := b.respond(t, leaf, time.Hour, nil)
	b.write(t, "a.test.pem.ocsp", stale)
	b.start(t, "a.test")
	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	h, _ := newHook(t, Options{Address: b.unix()}, d)
	if err := h.Deliver(t.Context(), d.all()); err != nil {
		t.Fatal(err)
	}
	before, err := h.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.reload(t) // reads the stale file: what came over the API is lost
	after, err := h.Identity(t.Context())
	if err != nil || after == before {
		t.Errorf("got process %s, %v after a reload, want another one", after, err)
	}
	if !bytes.Equal(b.served(t, "a.test"), stale) {
		t.Error("the reload did not bring the stale staple back: nothing is tested")
	}
	if pushed, err := h.Reconcile(t.Context(), d.all()); pushed != 1 || err != nil {
		t.Errorf("got %d, %v from Reconcile, want 1", pushed, err)
	}
	if !bytes.Equal(b.served(t, "a.test"), d[b.cert("a.test")]) {
		t.Error("the client does not get the new staple")
	}
}

func TestOldWorkersAreToldToo(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	b.write(t, "a.test.pem.ocsp", b.respond(t, leaf, time.Hour, nil))
	b.start(t, "a.test")
	b.dial(t, "a.test") // keeps the worker
	old, _, _ := strings.Cut(b.ready(t, ""), "@")
	b.reload(t)

	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	h, log := newHook(t, Options{Address: b.master(), Master: true}, d)
	if err := h.Deliver(t.Context(), d.all()); err != nil {
		t.Fatal(err)
	}
	r, err := parse(d[b.cert("a.test")])
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"@1", "@!" + old} {
		held, signature := parseHolding(b.tell(t, b.master(), prefix+" show ssl ocsp-response "+r.key))
		if held != shown || !bytes.Equal(signature, r.signature) {
			t.Errorf("the worker %s does not hold the new staple", prefix)
		}
	}
	if log.Len() > 0 {
		t.Errorf("got log %s, want none", log)
	}
}

// A deploy hook refreshes the staple before HAProxy is reloaded: that HAProxy
// does not know the new certificate yet is no failure then.
func TestARenewedCertificateWaitsForTheReload(t *testing.T) {
	for _, withStaple := range []bool{true, false} {
		b := newBench(t)
		leaf := b.issue(t, "a.test")
		var earlier []byte
		if withStaple {
			earlier = b.respond(t, leaf, time.Hour, nil)
			b.write(t, "a.test.pem.ocsp", earlier)
		}
		b.start(t, "a.test")
		renewed := b.issue(t, "a.test")
		d := disk{b.cert("a.test"): b.respond(t, renewed, 0, nil)}
		b.write(t, "a.test.pem.ocsp", d[b.cert("a.test")])
		h, log := newHook(t, Options{Address: b.unix()}, d)
		for range 2 {
			if err := h.Deliver(t.Context(), d.all()); err != nil {
				t.Error(err)
			}
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("warned %d times, want once:\n%s", n, log)
		}
		if !bytes.Equal(b.served(t, "a.test"), earlier) {
			t.Error("the staple of the certificate that is served was touched")
		}
		b.reload(t)
		if !bytes.Equal(b.served(t, "a.test"), d[b.cert("a.test")]) {
			t.Error("the reload did not bring the new staple")
		}
		if pushed, err := h.Reconcile(t.Context(), d.all()); pushed != 0 || err != nil {
			t.Errorf("got %d, %v from Reconcile, want nothing to do", pushed, err)
		}
	}
}

func TestACertificateThatHAProxyDoesNotUse(t *testing.T) {
	b := newBench(t)
	b.issue(t, "a.test")
	stray := b.issue(t, "stray.test")
	b.start(t, "a.test")
	d := disk{b.cert("stray.test"): b.respond(t, stray, 0, nil)}
	h, log := newHook(t, Options{Address: b.unix()}, d)
	for range 2 {
		if err := h.Deliver(t.Context(), d.all()); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(log.String(), "has not loaded the certificate"); n != 1 {
		t.Errorf("said so %d times, want once:\n%s", n, log)
	}
}

func TestACertificateByAnotherName(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	b.issue(t, "b.test")
	b.start(t, "b.test", "a.test")
	for _, path := range []string{"/elsewhere/a.crt", "/elsewhere/live/cert.pem"} {
		d := disk{path: b.respond(t, leaf, 0, nil)}
		h, _ := newHook(t, Options{Address: b.unix()}, d)
		if err := h.Deliver(t.Context(), d.all()); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(b.served(t, "a.test"), d[path]) {
			t.Errorf("%s: the client does not get the staple", path)
		}
		b.reload(t) // forgets it
	}
}

func TestOthersTransactionsAreLeftAlone(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	other := b.issue(t, "b.test")
	b.start(t, "a.test", "b.test")
	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	h, _ := newHook(t, Options{Address: b.unix()}, d)
	renewed, err := b.issue(t, "b.test").BundlePEM()
	if err != nil {
		t.Fatal(err)
	}
	for _, busy := range []string{"a.test", "b.test"} {
		l := line{network: "unix", address: b.unix(), timeout: patience, longest: 8192}
		reply, err := l.say(t.Context(), "set ssl cert "+b.cert(busy), strings.TrimSpace(strings.ReplaceAll(string(renewed), "\n\n", "\n")))
		if err != nil || !strings.Contains(reply, "Transaction created") {
			t.Fatalf("got %q, %v", reply, err)
		}
		if err := h.Deliver(t.Context(), d.all()); err == nil || !strings.Contains(err.Error(), b.cert(busy)) {
			t.Errorf("got %v while %s is being changed, want an error that names it", err, busy)
		}
		if got := b.served(t, "a.test"); got != nil {
			t.Error("a staple is served: somebody else's transaction was committed")
		}
		if reply := b.tell(t, b.unix(), "abort ssl cert "+b.cert(busy)); !strings.Contains(reply, "Transaction aborted") {
			t.Errorf("the other one's transaction is gone: %q", reply)
		}
	}
	conn, _ := b.dial(t, "b.test")
	if got := conn.ConnectionState().PeerCertificates[0].SerialNumber; got.Cmp(other.Certificate.SerialNumber) != 0 {
		t.Error("somebody else's certificate was committed")
	}
	if err := h.Deliver(t.Context(), d.all()); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(b.served(t, "a.test"), d[b.cert("a.test")]) {
		t.Error("the client does not get the staple")
	}
}

func TestASocketWithoutTheRight(t *testing.T) {
	b := newBench(t)
	b.extra = "stats socket " + b.path("operator.sock") + " level operator"
	leaf := b.issue(t, "a.test")
	b.start(t, "a.test")
	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	h, _ := newHook(t, Options{Address: b.path("operator.sock")}, d)
	if err := h.Deliver(t.Context(), d.all()); err == nil || !strings.Contains(err.Error(), "level admin") {
		t.Errorf("got %v, want a word of level admin", err)
	}
}

func TestTheWrongKindOfSocket(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	b.start(t, "a.test")
	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	for _, o := range []Options{{Address: b.master()}, {Address: b.unix(), Master: true}} {
		h, _ := newHook(t, o, d)
		if err := h.Deliver(t.Context(), d.all()); err == nil || !strings.Contains(err.Error(), "master CLI") {
			t.Errorf("%v: got %v, want a word of the master CLI", o, err)
		}
	}
}
