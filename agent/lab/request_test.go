package lab

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"math/big"
	"testing"

	"golang.org/x/crypto/ocsp"
)

// opensslRequest is what `openssl ocsp -reqout` writes for one certificate,
// with a nonce of 16 octets.
const opensslRequest = "3065306330" + "3c303a3038300906052b0e03021a0500" +
	"0414" + "000102030405060708090a0b0c0d0e0f10111213" +
	"0414" + "131211100f0e0d0c0b0a09080706050403020100" +
	"0203123456" +
	"a2233021301f06092b0601050507300102041204100102030405060708090a0b0c0d0e0f10"

func TestRequestAsOpenSSLWritesIt(t *testing.T) {
	der, err := hex.DecodeString(opensslRequest)
	if err != nil {
		t.Fatal(err)
	}
	q, err := parseRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	if len(q.ids) != 1 || q.ids[0].hash != crypto.SHA1 || q.ids[0].serial.Int64() != 0x123456 {
		t.Errorf("got %+v, want one SHA-1 CertID of serial 123456", q.ids)
	}
	if len(q.nonce) != 16 || q.nonce[15] != 0x10 {
		t.Errorf("got nonce % x, want 16 octets", q.nonce)
	}
	for n := range der {
		if _, err := parseRequest(der[:n]); err == nil {
			t.Errorf("cut to %d bytes it was accepted", n)
		}
	}
}

func TestNonceIsEchoedIfSo(t *testing.T) {
	der, err := hex.DecodeString(opensslRequest)
	if err != nil {
		t.Fatal(err)
	}
	for _, echo := range []bool{false, true} {
		r := newRig(t, func(o *ResponderOptions) { o.EchoNonce = echo })
		q, err := parseRequest(der)
		if err != nil {
			t.Fatal(err)
		}
		id := r.responder.ids[crypto.SHA1]
		id.serial = big.NewInt(7)
		q.ids = []certID{id}
		rep, err := r.responder.speak(q, r.leaf.Certificate.NotBefore)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(rep.der, q.nonce); got != echo {
			t.Errorf("nonce in the response: got %t, want %t", got, echo)
		}
		if got := rep.etag != ""; got == echo {
			t.Errorf("response may be cached: got %t, want %t", got, !echo)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	der, err := hex.DecodeString(opensslRequest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	pki, err := NewPKI(PKIOptions{})
	if err != nil {
		f.Fatal(err)
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		der, err := ocsp.CreateRequest(pki.Intermediate.Certificate, pki.Root.Certificate, &ocsp.RequestOptions{Hash: h})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Add([]byte{0x30, 0x04, 0x30, 0x02, 0x30, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) {
		q, err := parseRequest(der)
		if err != nil {
			return
		}
		if len(q.ids) == 0 || len(q.nonce) > maxNonce {
			t.Errorf("accepted %d CertIDs and a nonce of %d octets", len(q.ids), len(q.nonce))
		}
		for _, id := range q.ids {
			if id.serial == nil || SerialText(id.serial) == "" {
				t.Error("accepted a CertID without a serial")
			}
		}
	})
}
