package haproxy

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// There is one transaction at a time in all of HAProxy: what is left over of
// one stops every other.
func TestALostReplyLeavesNoTransaction(t *testing.T) {
	b := newBench(t)
	d := disk{}
	for _, domain := range []string{"a.test", "b.test"} {
		leaf := b.issue(t, domain)
		d[b.cert(domain)] = b.respond(t, leaf, 0, nil)
	}
	b.start(t, "a.test", "b.test")
	address := b.loseOneReply(t, "set ssl cert")
	h, _ := newHook(t, Options{Address: address, Timeout: 5 * time.Second}, d) // enough for all that is not lost
	if err := h.Deliver(t.Context(), d.all()); err == nil {
		t.Fatal("no reply was lost: nothing is tested")
	}
	if !bytes.Equal(b.served(t, "b.test"), d[b.cert("b.test")]) {
		t.Error("b.test: the client does not get the staple")
	}
	h, _ = newHook(t, Options{Address: b.unix()}, d)
	if err := h.Deliver(t.Context(), d.all()); err != nil {
		t.Error(err)
	}
	for cert, der := range d {
		if domain := stem(cert) + ".test"; !bytes.Equal(b.served(t, domain), der) {
			t.Errorf("%s: the client does not get the staple", domain)
		}
	}
}

// loseOneReply is a way to HAProxy by which the reply to the first command that
// begins like this is lost.
func (b *bench) loseOneReply(t *testing.T, command string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	way := line{network: "unix", address: b.unix(), timeout: patience, longest: 16384}
	var lost atomic.Bool
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				said, err := io.ReadAll(conn)
				if err != nil {
					return
				}
				reply, err := way.say(t.Context(), strings.TrimSuffix(string(said), "\n"), "")
				if strings.HasPrefix(string(said), command) && !lost.Swap(true) {
					<-t.Context().Done()
				} else if err == nil {
					io.WriteString(conn, reply)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return l.Addr().String()
}

// What was left need not be about a certificate that is looked after still.
func TestWhatAKilledProcessHasLeftIsTakenBack(t *testing.T) {
	for _, left := range []string{"a.test", "b.test"} {
		for _, size := range []int{0, 11000} {
			t.Run(fmt.Sprintf("%s, %d", left, size), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				leaves := map[string]*lab.Issued{"a.test": b.issue(t, "a.test"), "b.test": b.issue(t, "b.test")}
				b.start(t, "a.test", "b.test")
				d := disk{b.cert("a.test"): b.respond(t, leaves["a.test"], 0, nil)}
				l := line{network: "unix", address: b.unix(), timeout: patience, longest: 16384}
				older := b.respond(t, leaves[left], time.Hour, func(r *lab.Response) {
					if size > 0 {
						b.pad(t, r, size)
					}
				})
				reply, err := l.say(t.Context(), "set ssl cert "+b.cert(left)+".ocsp", base64.StdEncoding.EncodeToString(older))
				if err != nil || !strings.Contains(reply, "Transaction created") {
					t.Fatalf("got %q, %v", reply, err)
				}
				h, log := newHook(t, Options{Address: b.unix()}, d)
				if err := h.Deliver(t.Context(), d.all()); err != nil {
					t.Error(err)
				}
				if !bytes.Equal(b.served(t, "a.test"), d[b.cert("a.test")]) {
					t.Error("the client does not get the staple")
				}
				if !strings.Contains(log.String(), "taken back") || !strings.Contains(log.String(), b.cert(left)) {
					t.Errorf("got log %q, want a word of what was taken back", log)
				}
			})
		}
	}
}

// Beyond some size HAProxy does not show what it holds.
func TestWhatIsTooBigToBeShownIsToldOncePerProcess(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	b.write(t, "a.test.pem.ocsp", nil)
	b.start(t, "a.test")
	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	big := b.respond(t, leaf, 0, func(r *lab.Response) {
		for i := range 600 { // their text is several times as long as they are, and stands before the signature
			r.Extensions = append(r.Extensions, pkix.Extension{Id: []int{1, 2, 3, i}, Value: make([]byte, 3)})
		}
	})
	d[b.cert("a.test")] = big
	h, _ := newHook(t, Options{Address: b.unix()}, d)
	for i, want := range []int{1, 0, 0} {
		if pushed, err := h.Reconcile(t.Context(), d.all()); pushed != want || err != nil {
			t.Errorf("comparison %d: got %d, %v, want %d", i, pushed, err, want)
		}
	}
	r, err := parse(big)
	if err != nil {
		t.Fatal(err)
	}
	if held, _ := parseHolding(b.tell(t, b.unix(), "show ssl ocsp-response "+r.key)); held != unreadable {
		t.Fatal("HAProxy shows it: nothing is tested")
	}
	b.reload(t) // loses it
	for i, want := range []int{1, 0} {
		if pushed, err := h.Reconcile(t.Context(), d.all()); pushed != want || err != nil {
			t.Errorf("comparison %d after a reload: got %d, %v, want %d", i, pushed, err, want)
		}
	}
	if !bytes.Equal(b.served(t, "a.test"), big) {
		t.Error("the client does not get the staple")
	}
}

// TestACertificateAmongManyByAnotherName has a fake, since a real HAProxy takes
// long to start with so many.
func TestACertificateAmongManyByAnotherName(t *testing.T) {
	const many = 3 * maxAgain
	d := staples(t, 1)
	r, err := parse(d["/certs/000.pem"])
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	list.WriteString("# filename\n")
	for i := range many {
		fmt.Fprintf(&list, "@store/n%05d\n", i)
	}
	where := many - 1
	held := ""
	address, told := fake(t, func(command string, w io.Writer) {
		switch {
		case command == "show ssl cert\n":
			io.WriteString(w, list.String())
		case strings.HasPrefix(command, "abort ssl cert *"):
			io.WriteString(w, "No ongoing transaction!\n")
		case strings.HasPrefix(command, "set ssl ocsp-response") && held == "":
			io.WriteString(w, "OCSP single response: Certificate ID does not match any certificate or issuer.\n")
		case strings.HasPrefix(command, "set ssl ocsp-response"):
			io.WriteString(w, success+"\n")
		case strings.HasPrefix(command, "show ssl cert"):
			serial := "FF"
			if strings.Contains(command, fmt.Sprintf("n%05d", where)) {
				serial = strings.ToUpper(r.serial)
			}
			io.WriteString(w, "Serial: "+serial+"\n")
		case strings.HasPrefix(command, "show ssl ocsp-response"):
			io.WriteString(w, held)
		case strings.HasPrefix(command, "set ssl cert"):
			io.WriteString(w, "Transaction created for certificate x!\n")
		case strings.HasPrefix(command, "commit ssl cert"):
			held = " Signature Algorithm: x\n " + strings.ReplaceAll(fmt.Sprintf("% x", r.signature), " ", ":") + "\n\n"
			io.WriteString(w, "Success!\n")
		}
	})
	h, log := newHook(t, Options{Address: address}, d)
	deliver := func() (commands int) {
		t.Helper()
		before := len(told())
		if err := h.Deliver(t.Context(), d.all()); err != nil {
			t.Fatal(err)
		}
		return len(told()) - before
	}
	deliver()
	if held == "" {
		t.Errorf("the last of %d was not found: %s", many, log)
	}
	held = "" // as after a reload
	if n := deliver(); held == "" || n > 20 {
		t.Errorf("found %v by %d commands, want it remembered", held != "", n)
	}
	where, held = many/2, "" // in the place of another one
	for range many/maxAgain + 1 {
		if n := deliver(); n > maxAgain+20 {
			t.Errorf("said %d commands, want at most %d about certificates", n, maxAgain)
		}
	}
	if held == "" {
		t.Error("it was not found in its new place")
	}
}
