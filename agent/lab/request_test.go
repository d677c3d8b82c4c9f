package lab

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"math/big"
	"testing"

	"golang.org/x/crypto/ocsp"
)

// opensslRequest is what `openssl ocsp -reqout` wrote for one certificate,
// with its nonce of 16 octets.
const opensslRequest = "306930673040303e303c300906052b0e03021a05000414" +
	"424ef3366d8b17e4f9865ea7849fe102bad1a82e" + "0414" +
	"42ec44356632e36b07930dea9d3b57638bee2f45" + "0203123456" +
	"a2233021301f06092b060105050730010204120410c1351431fd4ca7fa1214bd524b539c25"

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
	if len(q.nonce) != 16 || q.nonce[15] != 0x25 {
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
