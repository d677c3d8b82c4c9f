package staple_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

// signers say who signs a response, and how it is told.
var signers = []struct {
	name   string
	signed func(*world) lab.Response
	want   staple.Reason
}{
	{"issuer by key", func(w *world) lab.Response { r := w.good(); r.ByKey = true; return r }, accepted},
	{"issuer, embedding itself", func(w *world) lab.Response { r := w.good(); r.Embed = certs(w.ca.Certificate); return r }, accepted},
	{"issuer, named otherwise", func(w *world) lab.Response {
		r := w.good()
		r.Responder = w.ca.Parent.Certificate.RawSubject
		return r
	}, staple.NotAuthorized},
	{"issuer, with another key's hash", func(w *world) lab.Response {
		r := w.good()
		r.ByKey, r.Responder = true, make([]byte, 20)
		return r
	}, staple.NotAuthorized},
	{"issuer, with a key hash of 32 octets", func(w *world) lab.Response {
		r := w.good()
		r.ByKey, r.Responder = true, make([]byte, 32)
		return r
	}, staple.Malformed},
	{"issuer, with an empty key hash", func(w *world) lab.Response {
		r := w.good()
		r.ByKey, r.Responder = true, []byte{}
		return r
	}, staple.Malformed},
	{"root", func(w *world) lab.Response {
		r := w.good()
		r.Signer, r.Embed = w.ca.Parent.KeyPair, certs(w.ca.Parent.Certificate)
		return r
	}, staple.NotAuthorized},
	{"leaf itself", func(w *world) lab.Response { return w.delegated(w.leaf) }, staple.NotAuthorized},

	{"delegate", func(w *world) lab.Response { return w.delegated(w.delegate) }, accepted},
	{"delegate by key", func(w *world) lab.Response { r := w.delegated(w.delegate); r.ByKey = true; return r }, accepted},
	{"delegate behind others", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.Embed = certs(w.ca.Parent.Certificate, w.leaf.Certificate, w.ca.Certificate, w.delegate.Certificate)
		return r
	}, accepted},
	{"delegate beside rubbish", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.EmbedRaw = [][]byte{{0x30, 0x00}, {0x30, 0x03, 0x02, 0x01, 0x00}}
		return r
	}, accepted},
	{"delegate beside what is not even a sequence", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.EmbedRaw = [][]byte{{0x05, 0x00}}
		return r
	}, staple.Malformed},
	{"delegate that is not embedded", func(w *world) lab.Response { r := w.delegated(w.delegate); r.Embed = nil; return r }, staple.NotAuthorized},
	{"delegate, named otherwise", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.Responder = w.leaf.Certificate.RawSubject
		return r
	}, staple.NotAuthorized},
	{"delegate, with another key's hash", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.ByKey, r.Responder = true, make([]byte, 20)
		return r
	}, staple.NotAuthorized},
	{"delegate, and the signature is damaged", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.TamperSignature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
		return r
	}, staple.BadSignature},
	{"delegate without nocheck", by(lab.IssueOptions{OCSPSigning: true}, nil), accepted},
	{"delegate without the usage", by(lab.IssueOptions{NoCheck: true}, nil), staple.NotAuthorized},
	{"delegate with any usage", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}), staple.NotAuthorized},
	{"delegate with more usages", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}), accepted},
	{"delegate with a critical usage", by(lab.IssueOptions{}, func(c *x509.Certificate) {
		c.ExtKeyUsage = nil
		c.ExtraExtensions = append(c.ExtraExtensions, ocspSigning(true))
	}), accepted},
	{"delegate whose usage was put in afterwards", func(w *world) lab.Response {
		d := w.issue(lab.IssueOptions{CommonName: "d", Change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping} }})
		r := w.delegated(d)
		// id-kp-timeStamping is 1.3.6.1.5.5.7.3.8, id-kp-OCSPSigning ends in 9.
		r.TamperBasic = replace("\x2b\x06\x01\x05\x05\x07\x03\x08", "\x2b\x06\x01\x05\x05\x07\x03\x09")
		return r
	}, staple.NotAuthorized},
	{"delegate that is a CA", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage |= x509.KeyUsageCertSign
	}), accepted},
	{"delegate whose key may not sign", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		c.KeyUsage = x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign
	}), staple.NotAuthorized},
	{"delegate whose key may do nothing", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		c.KeyUsage = 0
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Value: []byte{0x03, 0x01, 0x00},
		})
	}), staple.NotAuthorized},
	{"delegate with nonRepudiation alone", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		c.KeyUsage = x509.KeyUsageContentCommitment
	}), accepted},
	{"delegate without keyUsage", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) { c.KeyUsage = 0 }), accepted},
	{"delegate with an unknown critical extension", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, extension(oidMadeUp, true)...)
	}), staple.NotAuthorized},
	{"delegate with a critical nocheck", by(lab.IssueOptions{OCSPSigning: true}, func(c *x509.Certificate) {
		oid := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oid, Critical: true, Value: []byte{0x05, 0x00}})
	}), accepted},
	{"delegate that expired a second ago", func(w *world) lab.Response {
		return w.delegated(w.issue(lab.IssueOptions{OCSPSigning: true, NotAfter: w.now.Add(-time.Second)}))
	}, staple.NotAuthorized},
	{"delegate in its last second", func(w *world) lab.Response {
		return w.delegated(w.issue(lab.IssueOptions{OCSPSigning: true, NotAfter: w.now}))
	}, accepted},
	{"delegate that begins in a second", func(w *world) lab.Response {
		return w.delegated(w.issue(lab.IssueOptions{OCSPSigning: true, NotBefore: w.now.Add(time.Second)}))
	}, staple.NotAuthorized},
	{"delegate of another CA", func(w *world) lab.Response {
		return w.delegated(w.issueBy(w.ca.Parent, lab.IssueOptions{CommonName: "d", OCSPSigning: true}))
	}, staple.NotAuthorized},
	{"delegate of another CA of the same name", func(w *world) lab.Response {
		return w.delegated(w.issueBy(w.twin(), lab.IssueOptions{CommonName: "d", OCSPSigning: true}))
	}, staple.NotAuthorized},
	{"delegate of a delegate", func(w *world) lab.Response {
		sub, err := w.ca.NewCA(lab.IssueOptions{CommonName: "sub", OCSPSigning: true, NotBefore: w.now.Add(-day), NotAfter: w.now.Add(day)})
		if err != nil {
			w.Fatal(err)
		}
		d := w.issueBy(sub, lab.IssueOptions{CommonName: "d", OCSPSigning: true})
		r := w.delegated(d)
		r.Embed = certs(d.Certificate, sub.Certificate)
		return r
	}, staple.NotAuthorized},
	{"delegate with the issuer's name", func(w *world) lab.Response {
		return w.delegated(w.issue(lab.IssueOptions{OCSPSigning: true, Change: func(c *x509.Certificate) {
			c.RawSubject = w.ca.Certificate.RawSubject
		}}))
	}, accepted},
	{"delegate, named as the issuer", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.Responder = w.ca.Certificate.RawSubject
		return r
	}, staple.BadSignature},
	{"delegate, named in another kind of string", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		// PrintableString is 13, UTF8String 0c. Firefox and GnuTLS compare
		// octets, too.
		r.Responder = replace("\x13\x08delegate", "\x0c\x08delegate")(w.delegate.Certificate.RawSubject)
		return r
	}, staple.NotAuthorized},
	{"delegate, embedded twice", func(w *world) lab.Response {
		r := w.delegated(w.delegate)
		r.Embed = certs(w.delegate.Certificate, w.delegate.Certificate)
		return r
	}, accepted},
	{"the second of two delegates of one name", func(w *world) lab.Response {
		old := w.issue(lab.IssueOptions{CommonName: "delegate", OCSPSigning: true})
		r := w.delegated(w.delegate)
		r.Embed = certs(old.Certificate, w.delegate.Certificate)
		return r
	}, accepted},
}

func ocspSigning(critical bool) pkix.Extension {
	return pkix.Extension{
		Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical,
		Value: []byte("\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x09"),
	}
}

func TestOnlyTheIssuerAndItsDelegatesMaySign(t *testing.T) {
	for _, row := range signers {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			der := w.encode(row.signed(w))
			if row.want == accepted {
				w.accept(der, staple.Options{})
				return
			}
			w.refuse(der, staple.Options{}, row.want)
		})
	}
}

// A responder that its operator trusts and the issuer has not authorized (the
// first criterion of RFC 6960 section 4.2.2.2) is no signer: clients refuse it.
func TestAResponderThatOnlyItsOperatorTrustsIsRefused(t *testing.T) {
	w := newWorld(t)
	foreign := w.issueBy(w.twin(), lab.IssueOptions{CommonName: "validation authority"})
	r := w.delegated(foreign)
	r.Embed = nil
	w.refuse(w.encode(r), staple.Options{}, staple.NotAuthorized)
	r.Embed = certs(foreign.Certificate)
	w.refuse(w.encode(r), staple.Options{}, staple.NotAuthorized)
}

// twin is another CA with the issuer's name.
func (w *world) twin() *lab.CA {
	w.Helper()
	twin, err := lab.NewRoot(lab.IssueOptions{
		NotBefore: w.now.Add(-100 * day), NotAfter: w.now.Add(100 * day),
		Change: func(c *x509.Certificate) { c.RawSubject = w.ca.Certificate.RawSubject },
	})
	if err != nil {
		w.Fatal(err)
	}
	return twin
}

// by has a certificate with these options sign the response and embeds it.
func by(o lab.IssueOptions, change func(*x509.Certificate)) func(*world) lab.Response {
	o.CommonName, o.Change = "odd delegate", change
	return func(w *world) lab.Response { return w.delegated(w.issue(o)) }
}

func certs(all ...*x509.Certificate) []*x509.Certificate { return all }
