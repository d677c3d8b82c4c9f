package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

func TestVerifyTakesWhatItNeedsOutOfTheFiles(t *testing.T) {
	w := newCheckWorld(t)
	site := w.issue(lab.IssueOptions{})
	ca := w.pki.Intermediate
	unmarked, err := w.pki.Root.NewCA(lab.IssueOptions{CommonName: "a CA of old", Change: func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid = false, false
	}})
	if err != nil {
		t.Fatal(err)
	}
	old, err := unmarked.Issue(lab.IssueOptions{Names: []string{"old.test"}})
	if err != nil {
		t.Fatal(err)
	}
	oldResponse, err := unmarked.Vouch(old.Certificate, time.Now().Add(-time.Minute), time.Now().Add(time.Hour)).Encode()
	if err != nil {
		t.Fatal(err)
	}
	response := w.response(site, time.Minute, nil)
	ofCA, err := w.pki.Root.Vouch(ca.Certificate, time.Now().Add(-time.Minute), time.Now().Add(time.Hour)).Encode()
	if err != nil {
		t.Fatal(err)
	}
	// A certificate as Go does not read it, but others do.
	odd := func(cert *x509.Certificate) []byte {
		version := []byte{0xa0, 0x03, 0x02, 0x01, 0x02}
		if !bytes.Contains(cert.Raw, version) {
			t.Fatal("nothing to spoil")
		}
		der := bytes.Replace(cert.Raw, version, []byte{0xa0, 0x03, 0x02, 0x01, 0x07}, 1)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	for _, row := range []struct {
		name         string
		cert, issuer [][]byte
		response     []byte
		code         int
		say          string
	}{
		{"the issuer beside one that cannot be read", [][]byte{site.CertPEM()}, [][]byte{odd(w.pki.Root.Certificate), ca.CertPEM()}, response, 0, "good"},
		{"only an issuer that cannot be read", [][]byte{site.CertPEM()}, [][]byte{w.pki.Root.CertPEM(), odd(ca.Certificate)}, response, 2, "certificate 2"},
		{"the leaf beside one that cannot be read", [][]byte{site.CertPEM(), odd(ca.Certificate)}, [][]byte{ca.CertPEM()}, response, 0, "good"},
		{"a leaf that cannot be read", [][]byte{odd(site.Certificate), ca.CertPEM()}, [][]byte{w.pki.Root.CertPEM()}, ofCA, 2, "certificate 1"},
		{"the leaf behind a CA that is not marked as one", [][]byte{unmarked.CertPEM(), old.CertPEM()}, [][]byte{unmarked.CertPEM()}, oldResponse, 0, "good"},
		{"a CA's own response", [][]byte{ca.CertPEM()}, [][]byte{w.pki.Root.CertPEM()}, ofCA, 0, "good"},
		{"an issuer that did not sign it", [][]byte{site.CertPEM()}, [][]byte{w.pki.Root.CertPEM()}, response, 1,
			`wrong-issuer: the leaf site.test: no certificate of "CN=restaple lab intermediate" among those given`},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, stdout, stderr := w.restaple("verify",
				"--cert", w.write("leaf.pem", slices.Concat(row.cert...)),
				"--issuer", w.write("issuer.pem", slices.Concat(row.issuer...)),
				"--response", w.write("response.der", row.response))
			if code != row.code || !strings.Contains(stdout+stderr, row.say) {
				t.Errorf("got %d, %s%s; want %d and %q", code, stdout, stderr, row.code, row.say)
			}
		})
	}
}
