package staple_test

import (
	"bytes"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

func TestAResponseIsAStapleOnlyIfEverythingIsRight(t *testing.T) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.good()
			row.change(w, &r)
			der := w.encode(r)
			if row.want == accepted {
				w.accept(der, staple.Options{})
				return
			}
			w.refuse(der, staple.Options{}, row.want)
		})
	}
}

func TestEveryReasonHasARow(t *testing.T) {
	tested := map[staple.Reason]bool{
		staple.WrongIssuer:   true, // TestAChainWithoutIssuerHasNoStaple
		staple.WeakAlgorithm: true, // TestStrictRefusesSHA1
	}
	for _, row := range rows {
		tested[row.want] = true
	}
	for _, row := range signers {
		tested[row.want] = true
	}
	delete(tested, accepted)
	for _, reason := range staple.Reasons() {
		if !tested[reason] {
			t.Errorf("reason %s has no row", reason)
		}
		delete(tested, reason)
	}
	for reason := range tested {
		t.Errorf("reason %s is not in Reasons", reason)
	}
}

func TestAChainWithoutIssuerHasNoStaple(t *testing.T) {
	w := newWorld(t)
	w.chain.Issuer = nil
	w.refuse(w.encode(w.good()), staple.Options{}, staple.WrongIssuer)
}

func TestAStapleOfAnotherIssuerOfTheSameNameIsRefused(t *testing.T) {
	w := newWorld(t)
	twin := w.twin()
	r := w.good()
	r.Signer, r.Singles[0].Issuer = twin.KeyPair, twin.Certificate
	w.refuse(w.encode(r), staple.Options{}, staple.BadSignature)
}

func TestEachErrorStatusIsNamed(t *testing.T) {
	w := newWorld(t)
	for status, want := range map[int]string{
		lab.MalformedRequest: "malformedRequest", lab.InternalError: "internalError", lab.TryLater: "tryLater",
		lab.SigRequired: "sigRequired", lab.Unauthorized: "unauthorized",
	} {
		e := w.refuse(w.encode(lab.Response{Status: status}), staple.Options{}, staple.ResponderError)
		if e.ResponderStatus != want {
			t.Errorf("status %d: got %q, want %q", status, e.ResponderStatus, want)
		}
	}
}

func TestErrorIsNeverATypedNil(t *testing.T) {
	w := newWorld(t)
	_, err := w.verify(w.encode(w.good()), staple.Options{})
	if err != nil {
		t.Fatalf("got %v, want nil", err)
	}
	_, err = w.verify(nil, staple.Options{})
	if _, ok := errors.AsType[*staple.Error](err); !ok {
		t.Fatalf("got %T, want *staple.Error", err)
	}
}

func TestRefusalsNameWhatDecided(t *testing.T) {
	for want, change := range map[string]func(*world, *lab.Response){
		`responder-not-authorized: the responder "CN=restaple lab root" is`: func(w *world, r *lab.Response) {
			r.Responder = w.ca.Parent.Certificate.RawSubject
		},
		"responder-not-authorized: the responder with the key 6b6b6b": func(_ *world, r *lab.Response) {
			r.ByKey, r.Responder = true, bytes.Repeat([]byte("k"), 20)
		},
		"responder-not-authorized: the responder with a name that cannot be read": func(_ *world, r *lab.Response) {
			r.Responder = []byte{0x30, 0x02, 0x05, 0x00}
		},
		"no-match: the response is about serial 1234, not 8000000000000001": func(_ *world, r *lab.Response) {
			r.Singles[0].Serial = big.NewInt(0x1234)
		},
		"critical-extension: the response has the unknown critical extension 1.3.6.1.4.1.99999.1": func(_ *world, r *lab.Response) {
			r.Extensions = extension(oidMadeUp, true)
		},
		"revoked: revoked at 2026-03-01T12:00:00Z, keyCompromise": func(w *world, r *lab.Response) {
			s := &r.Singles[0]
			s.Status, s.RevokedAt, s.Reason = lab.Revoked, w.now.Add(-day), 1
		},
		"expired: nextUpdate 2026-03-02T12:00:00Z has passed": func(w *world, r *lab.Response) { r.Singles[0].NextUpdate = w.now },
	} {
		w := newWorld(t)
		r := w.good()
		change(w, &r)
		if _, err := w.verify(w.encode(r), staple.Options{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if got := (&staple.Error{Reason: staple.Expired}).Error(); got != "expired" {
		t.Errorf("got %q, want the reason alone", got)
	}
}
