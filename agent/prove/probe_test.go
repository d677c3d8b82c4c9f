package prove

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

func TestProbeSeesTheStapleAsItIsSent(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	good := w.response(time.Minute, nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
		for name, der := range map[string][]byte{"good": good, "garbage": []byte("garbage"), "none": nil} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				at := serve(t, &tls.Config{Certificates: []tls.Certificate{w.issued.TLS(der)}, MinVersion: version, MaxVersion: version})
				got, err := Probe(t.Context(), Options{Address: at})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Staple, der) || got.Version != version || got.Unfinished != nil {
					t.Errorf("staple %x by %s, %v", got.Staple, tls.VersionName(got.Version), got.Unfinished)
				}
				if got.Chain.Leaf.Fingerprint != w.chain().Leaf.Fingerprint || got.Chain.Issuer == nil {
					t.Errorf("leaf %s, issuer %v", got.Chain.Leaf.Name, got.Chain.Issuer)
				}
			})
		}
	}
}

func TestProbeChoosesAmongKeysAndNames(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	rsa, other := w.issue(lab.IssueOptions{KeyType: lab.RSA}), w.issue(lab.IssueOptions{Names: []string{"other.test"}})
	at := serve(t, &tls.Config{Certificates: []tls.Certificate{w.issued.TLS(nil), rsa.TLS(nil), other.TLS(nil)}})
	for _, row := range []struct {
		keyType, name string
		want          *lab.Issued
	}{
		{"ECDSA", "site.test", w.issued},
		{"rsa", "site.test", rsa},
		{"RSA", "site.test", rsa},
		{"", "other.test", other},
	} {
		at.ServerName = row.name
		got, err := Probe(t.Context(), Options{Address: at, KeyType: row.keyType})
		if err != nil {
			t.Fatal(err)
		}
		if want := row.want.Certificate.SerialNumber; got.Chain.Leaf.SerialHex() != lab.SerialText(want) {
			t.Errorf("%q of %s: got serial %s, want %s", row.keyType, row.name, got.Chain.Leaf.SerialHex(), lab.SerialText(want))
		}
	}
	if _, err := Probe(t.Context(), Options{Address: at, KeyType: "dsa"}); err == nil || !strings.Contains(err.Error(), "dsa") {
		t.Errorf("got %v", err)
	}
}

// TestProbeNeedsNoClientCertificate: what a stranger is refused comes after
// what is looked for.
func TestProbeNeedsNoClientCertificate(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	good := w.response(time.Minute, nil)
	at := serve(t, &tls.Config{
		Certificates: []tls.Certificate{w.issued.TLS(good)}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12,
	})
	got, err := Probe(t.Context(), Options{Address: at})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Staple, good) || got.Unfinished == nil {
		t.Errorf("staple %x, unfinished: %v", got.Staple, got.Unfinished)
	}
}

func TestProbeTakesTheIssuerFromElsewhere(t *testing.T) {
	w := newWorld(t, lab.IssueOptions{})
	alone := w.issued.TLS(nil)
	alone.Certificate = alone.Certificate[:1]
	at := serve(t, &tls.Config{Certificates: []tls.Certificate{alone}})
	for _, row := range []struct {
		given []*x509.Certificate
		want  bool
	}{
		{nil, false},
		{[]*x509.Certificate{w.pki.Root.Certificate}, false},
		{[]*x509.Certificate{w.pki.Root.Certificate, w.pki.Intermediate.Certificate}, true},
	} {
		got, err := Probe(t.Context(), Options{Address: at, Issuers: row.given})
		if err != nil {
			t.Fatal(err)
		}
		if (got.Chain.Issuer != nil) != row.want || (got.Chain.IssuerErr == nil) != row.want {
			t.Errorf("%d given: issuer %v, %v", len(row.given), got.Chain.Issuer, got.Chain.IssuerErr)
		}
	}
}

func TestProbeSaysHowFarItCame(t *testing.T) {
	says := func(what string) Address {
		return listen(t, func(c net.Conn) {
			_, _ = c.Write([]byte(what))
			_, _ = c.Read(make([]byte, 4096))
		})
	}
	flood := func(c net.Conn) {
		for {
			if _, err := c.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
				return
			}
		}
	}
	smtp := func(a Address) Address {
		a.StartTLS = SMTP
		return a
	}
	for name, row := range map[string]struct {
		at    Address
		stage Stage
		says  string
	}{
		"nobody listens":        {Address{HostPort: "127.0.0.1:1"}, Connecting, "refused"},
		"no TLS":                {says("HTTP/1.0 400 Bad Request\r\n\r\n"), Shaking, "TLS"},
		"closes at once":        {listen(t, func(net.Conn) {}), Shaking, ""},
		"no mail server":        {smtp(says("HTTP/1.0 400 Bad Request\r\n\r\n")), Upgrading, "greeting"},
		"too busy":              {smtp(says("421 too busy\r\n")), Upgrading, "421"},
		"an endless greeting":   {smtp(listen(t, flood)), Upgrading, "more than 1048576 octets"},
		"tricks for a terminal": {smtp(says("554 \x1b[2Jgone\r\n")), Upgrading, "gone"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Probe(t.Context(), Options{Address: row.at})
			failure, ok := errors.AsType[*Error](err)
			if !ok || failure.Stage != row.stage || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("got %v, want one at %s about %q", err, row.stage, row.says)
			}
		})
	}
}

func TestProbeReturnsAfterItsTime(t *testing.T) {
	silent := listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<16)); _, _ = c.Read(make([]byte, 1)) })
	for _, protocol := range []string{"", SMTP} {
		silent.StartTLS = protocol
		start := time.Now()
		_, err := Probe(t.Context(), Options{Address: silent, Timeout: 100 * time.Millisecond})
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q: took %v", protocol, took)
		}
		if err == nil || !strings.Contains(err.Error(), "no answer within 100ms") {
			t.Errorf("%q: got %v", protocol, err)
		}
	}
}
