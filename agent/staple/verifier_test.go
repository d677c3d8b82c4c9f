package staple_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

func TestAVerifierForgetsNoCheckThatDependsOnTime(t *testing.T) {
	w := newWorld(t)
	v := staple.NewVerifier(staple.Options{})
	d := w.issue(lab.IssueOptions{CommonName: "d", OCSPSigning: true, NotAfter: w.now.Add(time.Hour)})
	der := w.encode(w.delegated(d))
	for range 2 { // the second time it is remembered
		if _, err := v.Verify(der, w.chain, w.now); err != nil {
			t.Fatal(err)
		}
	}
	_, err := v.Verify(der, w.chain, w.now.Add(time.Hour+time.Second))
	if e, ok := errors.AsType[*staple.Error](err); !ok || e.Reason != staple.NotAuthorized {
		t.Errorf("got %v after the delegate's end, want %s", err, staple.NotAuthorized)
	}
}

func TestAVerifierRemembersADelegateForItsIssuerOnly(t *testing.T) {
	w, other := newWorld(t), newWorld(t) // the same names, other keys
	v := staple.NewVerifier(staple.Options{})
	if _, err := v.Verify(w.encode(w.delegated(w.delegate)), w.chain, w.now); err != nil {
		t.Fatal(err)
	}
	r := other.delegated(w.delegate)
	_, err := v.Verify(other.encode(r), other.chain, other.now)
	if e, ok := errors.AsType[*staple.Error](err); !ok || e.Reason != staple.NotAuthorized {
		t.Errorf("got %v for another issuer, want %s", err, staple.NotAuthorized)
	}
}

func TestAVerifierRemembersNoRefusal(t *testing.T) {
	w := newWorld(t)
	v := staple.NewVerifier(staple.Options{})
	der := w.encode(w.delegated(w.leaf))
	for range 3 {
		_, err := v.Verify(der, w.chain, w.now)
		if e, ok := errors.AsType[*staple.Error](err); !ok || e.Reason != staple.NotAuthorized {
			t.Fatalf("got %v, want %s", err, staple.NotAuthorized)
		}
	}
}

func TestAVerifierIsSafeForConcurrentUseAndBounded(t *testing.T) {
	w := newWorld(t)
	v := staple.NewVerifier(staple.Options{})
	direct, delegated := w.encode(w.good()), w.encode(w.delegated(w.delegate))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 { // more issuers than are remembered
				c := w.chainOf(w.leaf, w.ca)
				for _, der := range [][]byte{direct, delegated} {
					if _, err := v.Verify(der, c, w.now); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := staple.Remembered(v); n > staple.MaxSigners {
		t.Errorf("remembers %d signers, want at most %d", n, staple.MaxSigners)
	}
}
