package staple_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

// newFixedWorld has the same keys in every process: what one fuzzing process
// finds has to mean the same to the others.
func newFixedWorld(t testing.TB) *world {
	w := &world{TB: t, now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	options := func(name string, n byte) lab.IssueOptions {
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), slices.Repeat([]byte{n}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return lab.IssueOptions{
			CommonName: name,
			Serial:     big.NewInt(int64(n) + 0x8000),
			Key:        key,
			NotBefore:  w.now.Add(-100 * day),
			NotAfter:   w.now.Add(100 * day),
		}
	}
	root, err := lab.NewRoot(options("root", 4))
	if err != nil {
		t.Fatal(err)
	}
	if w.ca, err = root.NewCA(options("issuer", 1)); err != nil {
		t.Fatal(err)
	}
	w.leaf = w.issue(options("leaf", 2))
	w.chain = w.chainOf(w.leaf, w.ca)
	delegate := options("delegate", 3)
	delegate.OCSPSigning = true
	w.delegate = w.issue(delegate)
	return w
}

// seeds are all the responses of the tables that can be made in a world.
func seeds(w *world) []lab.Response {
	all := []lab.Response{w.delegated(w.delegate)}
	for _, row := range rows {
		r := w.good()
		row.change(w, &r)
		all = append(all, r)
	}
	w.chain = w.chainOf(w.leaf, w.ca) // a row changed the leaf
	return all
}

func FuzzVerify(f *testing.F) {
	w := newFixedWorld(f)
	f.Add(staple.Placeholder())
	for _, r := range seeds(w) {
		if der := w.encode(r); len(der) < 4<<10 {
			f.Add(der)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := staple.Verify(der, w.chain, w.now, staple.Options{})
		checkOutcome(t, s, err)
		if s == nil {
			return
		}
		again, err := staple.Verify(s.DER(), w.chain, w.now, staple.Options{})
		if err != nil || !again.ThisUpdate.Equal(s.ThisUpdate) || !again.Expires.Equal(s.Expires) {
			t.Errorf("the second time: %+v, %v; the first time %+v", again, err, s)
		}
	})
}

// FuzzVerifySigned signs what the fuzzer made of a ResponseData, so that it
// gets past the signature, and asks x/crypto/ocsp too: what is a staple here
// must be good there, about the same times.
func FuzzVerifySigned(f *testing.F) {
	w := newFixedWorld(f)
	for _, r := range seeds(w) {
		if r.Status != lab.Successful {
			continue
		}
		tamper := r.TamperData
		r.TamperData = func(data []byte) []byte {
			if tamper != nil {
				data = tamper(data)
			}
			f.Add(data)
			return data
		}
		w.encode(r)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := w.good()
		r.TamperData = func([]byte) []byte { return data }
		der, err := r.Encode()
		if err != nil {
			return
		}
		s, err := staple.Verify(der, w.chain, w.now, staple.Options{})
		checkOutcome(t, s, err)
		if s == nil || s.Singles > 1 {
			return
		}
		theirs, err := ocsp.ParseResponseForCert(der, w.leaf.Certificate, w.ca.Certificate)
		if err == ocsp.ParseError("unsupported critical extension") {
			return // it knows none
		}
		if err != nil {
			t.Fatalf("x/crypto/ocsp refuses what is a staple here: %v", err)
		}
		if theirs.Status != ocsp.Good || !theirs.ThisUpdate.Equal(s.ThisUpdate) ||
			!theirs.NextUpdate.Equal(s.NextUpdate) || !theirs.ProducedAt.Equal(s.ProducedAt) {
			t.Errorf("x/crypto/ocsp reads %+v, want %+v", theirs, s)
		}
	})
}

// checkOutcome holds for any bytes: a good staple that is in its time, or a
// reason out of the closed set.
func checkOutcome(t *testing.T, s *staple.Staple, err error) {
	t.Helper()
	if err == nil {
		if s == nil || s.Status != staple.Good || len(s.DER()) == 0 || s.Expires.IsZero() {
			t.Fatalf("got staple %+v", s)
		}
		return
	}
	e, ok := errors.AsType[*staple.Error](err)
	if !ok || s != nil || !slices.Contains(staple.Reasons(), e.Reason) || e.Detail == "" {
		t.Fatalf("got staple %v and error %#v", s, err)
	}
	if statement := e.Reason == staple.IsRevoked || e.Reason == staple.IsUnknown; statement != (e.Statement != nil) {
		t.Fatalf("got statement %v with reason %s", e.Statement, e.Reason)
	}
}

func TestNoFlippedBitPasses(t *testing.T) {
	w := newFixedWorld(t)
	for _, r := range []lab.Response{w.good(), w.delegated(w.delegate)} {
		der := w.encode(r)
		w.accept(der, staple.Options{})
		for i := range der {
			for _, bit := range []int{i % 8, (i + 3) % 8} {
				der[i] ^= 1 << bit
				if _, err := w.verify(der, staple.Options{}); err == nil {
					t.Errorf("octet %d of %d, bit %d: got a staple", i, len(der), bit)
				}
				der[i] ^= 1 << bit
			}
		}
	}
}
