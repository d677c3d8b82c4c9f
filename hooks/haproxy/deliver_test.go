package haproxy

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/hooks"
)

// get asks for something over an open connection.
func get(t *testing.T, conn io.ReadWriter, r *bufio.Reader) {
	t.Helper()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("the connection was not left alone: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "served" {
		t.Fatalf("got %q, %v over the open connection", body, err)
	}
}

func TestClientsSeeTheNewStapleAndConnectionsStay(t *testing.T) {
	for _, kind := range []string{"unix", "unix prefix", "tcp", "master"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			d := disk{}
			leaves := map[string]*lab.Issued{}
			for _, domain := range []string{"old.test", "empty.test", "missing.test", "a b.test"} {
				leaves[domain] = b.issue(t, domain)
				d[b.cert(domain)] = b.respond(t, leaves[domain], time.Minute, nil)
			}
			b.write(t, "old.test.pem.ocsp", b.respond(t, leaves["old.test"], time.Hour, nil))
			b.write(t, "empty.test.pem.ocsp", nil)
			b.start(t, "old.test", "empty.test", "missing.test", "a b.test")

			o := map[string]Options{
				"unix":        {Address: b.unix()},
				"unix prefix": {Address: "unix:" + b.unix()},
				"tcp":         {Address: b.tcp},
				"master":      {Address: b.master(), Master: true},
			}[kind]
			h, log := newHook(t, o, d)
			before, err := h.Identity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conn, _ := b.dial(t, "old.test")
			r := bufio.NewReader(conn)
			get(t, conn, r)

			if err := h.Deliver(t.Context(), d.all()); err != nil {
				t.Fatal(err)
			}
			for domain := range leaves {
				if !bytes.Equal(b.served(t, domain), d[b.cert(domain)]) {
					t.Errorf("%s: the client does not get the new staple", domain)
				}
			}
			get(t, conn, r)

			// Once there is a place for it, the next one needs no transaction.
			for domain, leaf := range leaves {
				d[b.cert(domain)] = b.respond(t, leaf, 0, nil)
			}
			if pushed, err := h.Reconcile(t.Context(), d.all()); pushed != len(d) || err != nil {
				t.Errorf("got %d, %v from Reconcile, want %d", pushed, err, len(d))
			}
			if pushed, err := h.Reconcile(t.Context(), d.all()); pushed != 0 || err != nil {
				t.Errorf("got %d, %v from Reconcile, want nothing to do", pushed, err)
			}
			for domain := range leaves {
				if !bytes.Equal(b.served(t, domain), d[b.cert(domain)]) {
					t.Errorf("%s: the client does not get the newest staple", domain)
				}
			}
			get(t, conn, r)
			if after, err := h.Identity(t.Context()); after != before || err != nil {
				t.Errorf("got process %s, %v, want %s as before", after, err, before)
			}
			if log.Len() > 0 {
				t.Errorf("got log %s, want none", log)
			}
		})
	}
}

// HAProxy closes the connection of whoever reads next in the thread that has
// been asked for what is in an empty place, as an empty .ocsp makes it.
func TestToLookIntoAnEmptyPlaceCostsNoConnection(t *testing.T) {
	b := newBench(t)
	b.extra = "nbthread 1"
	leaf := b.issue(t, "a.test")
	b.write(t, "a.test.pem.ocsp", nil)
	b.start(t, "a.test")
	r, err := parse(b.respond(t, leaf, 0, nil))
	if err != nil {
		t.Fatal(err)
	}
	h, _ := newHook(t, Options{Address: b.unix()}, nil)
	v := &visit{line: h.line}
	lost := func(look func()) bool {
		conn, _ := b.dial(t, "a.test")
		get(t, conn, bufio.NewReader(conn))
		look()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		_, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err != nil
	}
	if lost(func() {
		if same, err := v.holds(t.Context(), r); same || err != nil {
			t.Errorf("got %v, %v, want that it holds nothing", same, err)
		}
	}) {
		t.Error("a connection was closed")
	}
	if !lost(func() { b.tell(t, b.unix(), showCommand+" "+r.key) }) {
		t.Log("this HAProxy does no harm when it is asked without precaution")
	}
}

func TestWhatCannotBeServedIsNotSent(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	other := b.issue(t, "b.test")
	good := b.respond(t, leaf, time.Hour, nil)
	b.write(t, "a.test.pem.ocsp", good)
	b.write(t, "b.test.pem.ocsp", b.respond(t, other, time.Hour, nil))
	b.start(t, "a.test", "b.test")
	d := disk{}
	h, _ := newHook(t, Options{Address: b.unix()}, d)

	for _, test := range []struct {
		name   string
		change func(*lab.Response)
		want   string
	}{
		{"ends in 299 s", func(r *lab.Response) { r.Singles[0].NextUpdate = time.Now().Add(299 * time.Second) }, "is too near"},
		{"has ended", func(r *lab.Response) { r.Singles[0].NextUpdate = time.Now().Add(-time.Second) }, "is too near"},
		{"no nextUpdate", func(r *lab.Response) { r.Singles[0].NextUpdate = time.Time{} }, "only responses with nextUpdate"},
		{"two SingleResponses", func(r *lab.Response) { r.Singles = append(r.Singles, r.Singles[0]) }, "exactly one SingleResponse"},
		{"status unknown", func(r *lab.Response) { r.Singles[0].Status = lab.Unknown }, "certificate status is unknown"},
		{"tryLater", func(r *lab.Response) { r.Status = lab.TryLater }, "not an OCSP response"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d[b.cert("a.test")] = b.respond(t, leaf, time.Minute, test.change)
			d[b.cert("b.test")] = b.respond(t, other, 0, nil)
			err := h.Deliver(t.Context(), d.all())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), b.cert("a.test")) {
				t.Errorf("got error %v, want %q and the certificate in it", err, test.want)
			}
			if !bytes.Equal(b.served(t, "a.test"), good) {
				t.Error("the good staple was lost")
			}
			if !bytes.Equal(b.served(t, "b.test"), d[b.cert("b.test")]) {
				t.Error("the other certificate did not get its staple")
			}
		})
	}

	t.Run("reconciling", func(t *testing.T) {
		d[b.cert("a.test")] = b.respond(t, leaf, 0, func(r *lab.Response) { r.Singles[0].NextUpdate = time.Now().Add(time.Minute) })
		if pushed, err := h.Reconcile(t.Context(), d.all()); pushed != 0 || err != nil {
			t.Errorf("got %d, %v for a staple about to end, want it passed over", pushed, err)
		}
	})
}

func TestWithoutChangesEverythingIsCompared(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	b.write(t, "a.test.pem.ocsp", b.respond(t, leaf, time.Hour, nil))
	b.start(t, "a.test")
	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	h, _ := newHook(t, Options{Address: b.unix()}, d)

	gone := []hooks.Change{
		{Event: hooks.Withdrawn, Cert: b.cert("a.test")},
		{Event: hooks.Revoked, Cert: b.cert("a.test")},
		{Event: hooks.Placed, Cert: b.cert("gone.test")}, // Read says fs.ErrNotExist
	}
	if err := h.Deliver(t.Context(), gone); err != nil {
		t.Errorf("got %v, want nothing to do", err)
	}
	if bytes.Equal(b.served(t, "a.test"), d[b.cert("a.test")]) {
		t.Error("a withdrawn staple was sent")
	}
	if err := h.Deliver(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(b.served(t, "a.test"), d[b.cert("a.test")]) {
		t.Error("the client does not get the new staple")
	}
	h.options.All = nil
	if err := h.Deliver(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// Just below the limit HAProxy must take a response each time; above it, it
// must not be told at all, because it would hang.
func TestBigResponses(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		extra   string
		size    int // of the response
		fails   bool
	}{
		{"just right", Options{}, "", 11480, false},
		{"too long", Options{}, "", 11530, true},
		{"far too long", Options{}, "", 60000, true},
		{"just right for a small buffer", Options{Buffer: 8192}, "tune.bufsize 8192", 5330, false},
		{"too long for a small buffer", Options{Buffer: 8192}, "tune.bufsize 8192", 5400, true},
		{"just right for a large buffer", Options{Buffer: 32768}, "tune.bufsize 32768", 23700, false},
		{"just right for the master", Options{Master: true}, "", 11480, false},
		{"too long for the master", Options{Master: true, Buffer: 32768}, "tune.bufsize 32768", 11600, true},
	} {
		for _, known := range []bool{true, false} { // with a place for it, and by transaction
			t.Run(fmt.Sprintf("%s, known %v", test.name, known), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.extra = test.extra
				leaf := b.issue(t, "a.test")
				var old []byte
				if known {
					old = b.respond(t, leaf, time.Hour, nil)
					b.write(t, "a.test.pem.ocsp", old)
				}
				b.start(t, "a.test")
				o := test.options
				if o.Address = b.unix(); o.Master {
					o.Address = b.master()
				}
				d := disk{}
				h, _ := newHook(t, o, d)
				size := test.size
				if !known && !test.fails {
					size -= 100 // the path is part of that command
				}
				for i := range 10 {
					big := b.respond(t, leaf, time.Duration(i)*time.Second, func(r *lab.Response) { b.pad(t, r, size) })
					d[b.cert("a.test")] = big
					err := h.Deliver(t.Context(), d.all())
					if test.fails {
						if err == nil || !strings.Contains(err.Error(), "tune.bufsize") {
							t.Errorf("got %v for %d octets, want a word of tune.bufsize", err, len(big))
						}
						big = old
					} else if err != nil {
						t.Errorf("got %v for %d octets", err, len(big))
					}
					if !bytes.Equal(b.served(t, "a.test"), big) {
						t.Errorf("the client does not get the staple of %d octets that it should", len(big))
					}
				}
			})
		}
	}
}

// pad makes a response within a few octets of size.
func (b *bench) pad(t *testing.T, r *lab.Response, size int) {
	t.Helper()
	der, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const overhead = 400 // of the certificate that holds the padding
	for n := size - len(der) - overhead; ; {
		padding, err := b.pki.Intermediate.Issue(lab.IssueOptions{CommonName: "padding", Change: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3}, Value: make([]byte, n)}}
		}})
		if err != nil {
			t.Fatal(err)
		}
		r.Embed = []*x509.Certificate{padding.Certificate}
		if der, err = r.Encode(); err != nil {
			t.Fatal(err)
		}
		if off := len(der) - size; off <= 0 && off > -10 {
			return
		}
		n -= len(der) - size + 4
	}
}
