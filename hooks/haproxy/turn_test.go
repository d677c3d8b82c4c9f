package haproxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A daemon and the timer that backs it up have the same certificates, and find
// at once that HAProxy has no staples yet. HAProxy has one transaction for all.
func TestProcessesTakeTurns(t *testing.T) {
	b := newBench(t)
	d := disk{}
	var domains []string
	for i := range 20 {
		domain := fmt.Sprintf("n%d.test", i)
		domains = append(domains, domain)
		d[b.cert(domain)] = b.respond(t, b.issue(t, domain), time.Minute, nil)
	}
	b.start(t, domains...)
	var deliveries sync.WaitGroup
	for range 3 {
		h, log := newHook(t, Options{Address: b.unix(), Turns: b.path("turns")}, d)
		deliveries.Go(func() {
			if err := h.Deliver(t.Context(), d.all()); err != nil || log.Len() > 0 {
				t.Errorf("got %v and log %q, want neither", err, log)
			}
		})
	}
	deliveries.Wait()
	for _, domain := range domains {
		if !bytes.Equal(b.served(t, domain), d[b.cert(domain)]) {
			t.Errorf("%s: the client does not get the staple", domain)
		}
	}
}

func TestTheTurnIsNotWaitedForAfterTheDelivery(t *testing.T) {
	turns := t.TempDir() + "/turns"
	d := staples(t, 1)
	h, _ := newHook(t, Options{Address: "/none", Turns: turns}, d)
	other, err := os.Create(turns)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	off := errors.New("called off")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 2*turnPause, off)
	defer cancel()
	if err := h.Deliver(ctx, d.all()); !errors.Is(err, off) {
		t.Errorf("got %v, want %v", err, off)
	}
	other.Close()
	if err := h.Deliver(t.Context(), d.all()); err == nil || errors.Is(err, off) {
		t.Errorf("got %v, want that there is no HAProxy", err)
	}
}

// HAProxy does one operation on certificates at a time, and one that lists them
// is one.
func TestOthersOperationsAreWaitedFor(t *testing.T) {
	for _, test := range []struct {
		locked, timeout time.Duration
		want            string // in the error
	}{
		{100 * time.Millisecond, patience, "does not have it"}, // which the fake says in the end
		{time.Hour, 3 * time.Second, "currently locked"},
	} {
		begin := time.Now()
		address, _ := fake(t, func(command string, w io.Writer) {
			switch {
			case strings.HasPrefix(command, "show ssl ocsp-response"):
				fmt.Fprint(w, "OCSP Response Data:\n Signature Algorithm: x\n  00:01\n\n")
			case time.Since(begin) < test.locked:
				fmt.Fprint(w, "Can't update the certificate!\nOperations on certificates are currently locked!\n\n")
			default:
				fmt.Fprint(w, success+"\n\n")
			}
		})
		d := staples(t, 1)
		h, _ := newHook(t, Options{Address: address, Timeout: test.timeout}, d)
		if err := h.Deliver(t.Context(), d.all()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("locked for %v: got %v, want %q", test.locked, err, test.want)
		}
	}
}

// Somebody's change of a certificate is neither committed for them nor changed,
// whichever certificate the staple is for, and is no leftover.
func TestATransactionThatChangesMoreThanTheStapleIsLeftAlone(t *testing.T) {
	b := newBench(t)
	leaf := b.issue(t, "a.test")
	b.issue(t, "b.test")
	b.start(t, "a.test", "b.test")
	d := disk{b.cert("a.test"): b.respond(t, leaf, 0, nil)}
	h, _ := newHook(t, Options{Address: b.unix()}, d)
	renewed := b.issue(t, "b.test")
	pem, err := renewed.BundlePEM()
	if err != nil {
		t.Fatal(err)
	}
	l := line{network: "unix", address: b.unix(), timeout: patience, longest: 16384}
	theirs := b.respond(t, renewed, 0, nil)
	for _, c := range [][2]string{
		{"", strings.TrimSpace(strings.ReplaceAll(string(pem), "\n\n", "\n"))},
		{".ocsp", base64.StdEncoding.EncodeToString(theirs)},
	} {
		reply, err := l.say(t.Context(), "set ssl cert "+b.cert("b.test")+c[0], c[1])
		if err != nil || !strings.Contains(reply, "for certificate "+b.cert("b.test")) {
			t.Fatalf("got %q, %v", reply, err)
		}
	}
	if err := h.Deliver(t.Context(), d.all()); err == nil || !strings.Contains(err.Error(), "somebody is changing "+b.cert("b.test")) {
		t.Errorf("got %v, want that somebody is changing %s", err, b.cert("b.test"))
	}
	if reply := b.tell(t, b.unix(), "commit ssl cert "+b.cert("b.test")); !strings.Contains(reply, "Success!") {
		t.Fatalf("the transaction was not left alone: %q", reply)
	}
	conn, staple := b.dial(t, "b.test")
	if got := conn.ConnectionState().PeerCertificates[0].SerialNumber; got.Cmp(renewed.Certificate.SerialNumber) != 0 {
		t.Error("the renewed certificate is not served")
	}
	if !bytes.Equal(staple, theirs) {
		t.Error("what is served with it is not the staple that somebody prepared")
	}
}
