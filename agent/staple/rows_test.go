package staple_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

var (
	oidMadeUp         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	oidNonce          = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidCRLReference   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 3}
	oidArchiveCutoff  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}
	oidExtendedRevoke = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 9}
	oidSCTList        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 5}
)

// accepted is the want of rows that are staples.
const accepted staple.Reason = ""

type row struct {
	name   string
	change func(*world, *lab.Response)
	want   staple.Reason
}

// rows change one thing each of a response that is a staple.
var rows = slices.Concat(general, matching, windows, extensions)

var general = []row{
	{"as it should be", func(*world, *lab.Response) {}, accepted},
	{"64 KiB and a byte", func(_ *world, r *lab.Response) {
		r.Tamper = func([]byte) []byte { return make([]byte, staple.MaxSize+1) }
	}, staple.TooLarge},
	{"no bytes", func(_ *world, r *lab.Response) { r.Tamper = func([]byte) []byte { return nil } }, staple.Malformed},
	{"a web page", func(_ *world, r *lab.Response) {
		r.Tamper = func([]byte) []byte { return []byte("<!DOCTYPE html><html></html>") }
	}, staple.Malformed},
	{"a line feed after it", func(_ *world, r *lab.Response) {
		r.Tamper = func(der []byte) []byte { return append(der, '\n') }
	}, staple.Malformed},
	{"cut short", func(_ *world, r *lab.Response) {
		r.Tamper = func(der []byte) []byte { return der[:len(der)-1] }
	}, staple.Malformed},
	{"tryLater", func(_ *world, r *lab.Response) { r.Status = lab.TryLater }, staple.ResponderError},
	{"status that is not used", func(_ *world, r *lab.Response) { r.Status = 4 }, staple.Malformed},
	{"status that is not defined", func(_ *world, r *lab.Response) { r.Status = 7 }, staple.Malformed},
	{"error status of two octets", func(_ *world, r *lab.Response) { r.Status = 0x103 }, staple.Malformed},
	{"error status with responseBytes", func(_ *world, r *lab.Response) { r.Tamper = setStatus(lab.TryLater) }, staple.Malformed},
	{"successful without responseBytes", func(_ *world, r *lab.Response) {
		r.Tamper = func([]byte) []byte { return []byte{0x30, 0x03, 0x0a, 0x01, 0x00} }
	}, staple.Malformed},
	{"another responseType", func(_ *world, r *lab.Response) { r.Type = oidMadeUp }, staple.Malformed},
	{"version v1 written out", func(_ *world, r *lab.Response) { r.TamperData = withVersion }, accepted},
	{"version v2", func(_ *world, r *lab.Response) { r.Version = 1 }, staple.Malformed},
	{"signature of other data", func(_ *world, r *lab.Response) {
		r.TamperBasic = func(der []byte) []byte { return bytes.Replace(der, []byte("20260307"), []byte("20260308"), 1) }
	}, staple.BadSignature},
	{"signature damaged", func(_ *world, r *lab.Response) {
		r.TamperSignature = func(s []byte) []byte { s[len(s)-1] ^= 1; return s }
	}, staple.BadSignature},
	{"signature empty", func(_ *world, r *lab.Response) {
		r.TamperSignature = func([]byte) []byte { return nil }
	}, staple.BadSignature},
	{"signature with an unused bit", func(_ *world, r *lab.Response) {
		octets := 0
		r.TamperSignature = func(s []byte) []byte { octets = len(s); return s }
		r.TamperBasic = func(der []byte) []byte {
			der[len(der)-octets-1] = 1
			der[len(der)-1] &^= 1
			return der
		}
	}, staple.Malformed},
	{"SHA-1 signature", func(_ *world, r *lab.Response) { r.Algorithm = x509.ECDSAWithSHA1 }, accepted},
}

var matching = []row{
	{"SHA-256 CertID", func(_ *world, r *lab.Response) { r.Singles[0].Hash = crypto.SHA256 }, accepted},
	{"SHA-384 CertID", func(_ *world, r *lab.Response) { r.Singles[0].Hash = crypto.SHA384 }, accepted},
	{"SHA-512 CertID", func(_ *world, r *lab.Response) { r.Singles[0].Hash = crypto.SHA512 }, accepted},
	{"no SingleResponse", func(_ *world, r *lab.Response) { r.Singles = nil }, staple.NoMatch},
	{"another serial", func(_ *world, r *lab.Response) { r.Singles[0].Serial = big.NewInt(7) }, staple.NoMatch},
	{"the serial without its sign octet", func(_ *world, r *lab.Response) {
		// 80 00 00 00 00 00 00 01: the same octets, and a negative number
		r.Singles[0].Serial = new(big.Int).Sub(r.Singles[0].Serial, new(big.Int).Lsh(big.NewInt(1), 64))
	}, staple.NoMatch},
	{"name hash of another issuer", func(_ *world, r *lab.Response) { r.Singles[0].NameHash = make([]byte, 20) }, staple.NoMatch},
	{"key hash of another issuer", func(_ *world, r *lab.Response) { r.Singles[0].KeyHash = make([]byte, 20) }, staple.NoMatch},
	{"name hash empty", func(_ *world, r *lab.Response) { r.Singles[0].NameHash = []byte{} }, staple.NoMatch},
	{"CertID by the root", func(w *world, r *lab.Response) { r.Singles[0].Issuer = w.ca.Parent.Certificate }, staple.NoMatch},
	{"hash algorithm that is not known", func(_ *world, r *lab.Response) {
		r.TamperData = replace("\x2b\x0e\x03\x02\x1a", "\x2b\x0e\x03\x02\x1b")
	}, staple.NoMatch},
	{"hash algorithm that is not known, of 64 octets", func(_ *world, r *lab.Response) {
		r.Singles[0].Hash = crypto.SHA512
		r.TamperData = replace("\x03\x04\x02\x03", "\x03\x04\x02\x0a")
	}, staple.NoMatch},
	{"hash algorithm without NULL", func(_ *world, r *lab.Response) {
		r.TamperData = withoutNULL
	}, accepted},
	{"hash algorithm with parameters", func(_ *world, r *lab.Response) {
		r.TamperData = replace("\x2b\x0e\x03\x02\x1a\x05\x00", "\x2b\x0e\x03\x02\x1a\x04\x00")
	}, staple.Malformed},
	{"beside one about another leaf", func(_ *world, r *lab.Response) { also(r, func(s *lab.Single) { s.Serial = big.NewInt(7) }) }, accepted},
	{"behind one of another issuer with the same serial", func(w *world, r *lab.Response) {
		also(r, func(*lab.Single) {})
		r.Singles[0].Issuer, r.Singles[0].Status = w.ca.Parent.Certificate, lab.Revoked
	}, accepted},
	{"revoked", func(_ *world, r *lab.Response) { r.Singles[0].Status = lab.Revoked }, staple.IsRevoked},
	{"revoked without a reason", func(_ *world, r *lab.Response) { s := &r.Singles[0]; s.Status, s.Reason = lab.Revoked, lab.NoReason }, staple.IsRevoked},
	{"revoked from tomorrow on", func(w *world, r *lab.Response) {
		r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, w.now.Add(day)
	}, staple.IsRevoked},
	{"revoked as removeFromCRL", func(_ *world, r *lab.Response) { s := &r.Singles[0]; s.Status, s.Reason = lab.Revoked, 8 }, staple.IsRevoked},
	{"revoked for the reason that is not used", func(_ *world, r *lab.Response) { s := &r.Singles[0]; s.Status, s.Reason = lab.Revoked, 7 }, staple.Malformed},
	{"revoked for a reason that is not defined", func(_ *world, r *lab.Response) { s := &r.Singles[0]; s.Status, s.Reason = lab.Revoked, 11 }, staple.Malformed},
	{"unknown", func(_ *world, r *lab.Response) { r.Singles[0].Status = lab.Unknown }, staple.IsUnknown},
	{"good, then revoked", func(_ *world, r *lab.Response) { also(r, func(s *lab.Single) { s.Status = lab.Revoked }) }, staple.IsRevoked},
	{"good, then unknown", func(_ *world, r *lab.Response) { also(r, func(s *lab.Single) { s.Status = lab.Unknown }) }, staple.IsUnknown},
	{"unknown, then revoked", func(_ *world, r *lab.Response) {
		r.Singles[0].Status = lab.Unknown
		also(r, func(s *lab.Single) { s.Status = lab.Revoked })
	}, staple.IsRevoked},
	{"revoked by its SHA-256 CertID, good by SHA-1", func(_ *world, r *lab.Response) {
		also(r, func(s *lab.Single) { s.Status, s.Hash = lab.Revoked, crypto.SHA256 })
	}, staple.IsRevoked},
	{"good, and another leaf revoked", func(_ *world, r *lab.Response) {
		also(r, func(s *lab.Single) { s.Serial, s.Status = big.NewInt(7), lab.Revoked })
	}, accepted},
}

var windows = []row{
	{"thisUpdate as far ahead as clocks may be", func(w *world, r *lab.Response) { r.Singles[0].ThisUpdate = w.now.Add(5 * time.Minute) }, accepted},
	{"thisUpdate a second more ahead", func(w *world, r *lab.Response) {
		r.Singles[0].ThisUpdate = w.now.Add(5*time.Minute + time.Second)
	}, staple.NotYetValid},
	{"nextUpdate in a second", func(w *world, r *lab.Response) { r.Singles[0].NextUpdate = w.now.Add(time.Second) }, accepted},
	{"nextUpdate this second", func(w *world, r *lab.Response) { r.Singles[0].NextUpdate = w.now }, staple.Expired},
	{"nextUpdate before thisUpdate", func(w *world, r *lab.Response) {
		r.Singles[0].NextUpdate = r.Singles[0].ThisUpdate.Add(-time.Second)
	}, staple.BadWindow},
	{"nextUpdate and thisUpdate in a minute", func(w *world, r *lab.Response) {
		r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = w.now.Add(time.Minute), w.now.Add(time.Minute)
	}, accepted},
	{"nextUpdate in the year 1", func(w *world, r *lab.Response) {
		r.TamperData = replace("20260307120000Z", "00010101000000Z")
	}, staple.BadWindow},
	{"nextUpdate in 9999", func(w *world, r *lab.Response) {
		r.Singles[0].NextUpdate = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}, accepted},
	{"no nextUpdate, a day old", func(w *world, r *lab.Response) {
		r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = w.now.Add(-day), time.Time{}
	}, accepted},
	{"no nextUpdate, more than a day old", func(w *world, r *lab.Response) {
		r.Singles[0].ThisUpdate, r.Singles[0].NextUpdate = w.now.Add(-day-time.Second), time.Time{}
	}, staple.Expired},
	{"producedAt in the future", func(w *world, r *lab.Response) { r.ProducedAt = w.now.Add(5*time.Minute + time.Second) }, staple.NotYetValid},
	{"producedAt before the leaf", func(w *world, r *lab.Response) {
		r.ProducedAt = w.leaf.Certificate.NotBefore.Add(-time.Second)
	}, staple.BadProducedAt},
	{"producedAt when the leaf began", func(w *world, r *lab.Response) { r.ProducedAt = w.leaf.Certificate.NotBefore }, accepted},
	{"the leaf has expired", func(w *world, _ *lab.Response) {
		w.chain.Leaf.NotAfter = w.now.Add(-time.Second)
	}, staple.Expired},
	{"expired beside a current one", func(w *world, r *lab.Response) {
		also(r, func(s *lab.Single) { s.NextUpdate = w.now.Add(-day) })
	}, accepted},
	{"revoked and expired beside a current one", func(w *world, r *lab.Response) {
		also(r, func(s *lab.Single) { s.Status, s.NextUpdate = lab.Revoked, w.now.Add(-day) })
	}, accepted},
	{"good and expired beside a current revoked one", func(w *world, r *lab.Response) {
		r.Singles[0].NextUpdate = w.now.Add(-day)
		also(r, func(s *lab.Single) { s.Status, s.NextUpdate = lab.Revoked, w.now.Add(day) })
	}, staple.IsRevoked},
	{"fractions of a second", func(_ *world, r *lab.Response) { r.TimeFormat = "20060102150405.000Z" }, staple.Malformed},
	{"no seconds", func(_ *world, r *lab.Response) { r.TimeFormat = "200601021504Z" }, staple.Malformed},
	{"an offset", func(_ *world, r *lab.Response) { r.TimeFormat = "20060102150405-0700" }, staple.Malformed},
	{"local time", func(_ *world, r *lab.Response) { r.TimeFormat = "20060102150405" }, staple.Malformed},
	{"UTCTime's two digits", func(_ *world, r *lab.Response) { r.TimeFormat = "060102150405Z" }, staple.Malformed},
	{"a date that does not exist", func(_ *world, r *lab.Response) {
		r.TamperData = replace("20260307120000Z", "20260230120000Z")
	}, staple.Malformed},
}

var extensions = []row{
	{"extensions that matter to nobody", func(_ *world, r *lab.Response) {
		r.Extensions = extension(oidMadeUp, false)
		r.Singles[0].Extensions = extension(oidMadeUp, false)
	}, accepted},
	{"critical extensions that are known", func(_ *world, r *lab.Response) {
		r.Extensions = slices.Concat(extension(oidNonce, true), extension(oidExtendedRevoke, true))
		r.Singles[0].Extensions = slices.Concat(extension(oidSCTList, true), extension(oidCRLReference, true), extension(oidArchiveCutoff, true))
	}, accepted},
	{"critical unknown responseExtension", func(_ *world, r *lab.Response) { r.Extensions = extension(oidMadeUp, true) }, staple.CriticalExtension},
	{"critical unknown singleExtension", func(_ *world, r *lab.Response) { r.Singles[0].Extensions = extension(oidMadeUp, true) }, staple.CriticalExtension},
	{"critical unknown extension of another leaf", func(_ *world, r *lab.Response) {
		also(r, func(s *lab.Single) { s.Serial, s.Extensions = big.NewInt(7), extension(oidMadeUp, true) })
	}, accepted},
	{"critical extension in the wrong place", func(_ *world, r *lab.Response) { r.Extensions = extension(oidArchiveCutoff, true) }, staple.CriticalExtension},
	{"critical extension of the response in the wrong place", func(_ *world, r *lab.Response) {
		r.Singles[0].Extensions = extension(oidNonce, true)
	}, staple.CriticalExtension},
	{"the same extension twice", func(_ *world, r *lab.Response) {
		r.Extensions = slices.Concat(extension(oidNonce, false), extension(oidNonce, false))
	}, staple.Malformed},
	{"an empty list of them in the SingleResponse", func(_ *world, r *lab.Response) { r.Singles[0].Extensions = []pkix.Extension{} }, accepted},
	{"an empty list of them in the response", func(_ *world, r *lab.Response) { r.Extensions = []pkix.Extension{} }, accepted},
	{"critical TRUE as 01", func(_ *world, r *lab.Response) {
		r.Extensions = extension(oidNonce, true)
		r.TamperData = replace("\x01\x01\xff", "\x01\x01\x01")
	}, staple.Malformed},
	{"critical FALSE written out", func(_ *world, r *lab.Response) {
		r.Extensions = extension(oidNonce, true)
		r.TamperData = replace("\x01\x01\xff", "\x01\x01\x00")
	}, staple.Malformed},
}

// also appends a changed copy of the first SingleResponse.
func also(r *lab.Response, change func(*lab.Single)) {
	s := r.Singles[0]
	change(&s)
	r.Singles = append(r.Singles, s)
}

func extension(oid asn1.ObjectIdentifier, critical bool) []pkix.Extension {
	return []pkix.Extension{{Id: oid, Critical: critical, Value: []byte{0x04, 0x01, 0x00}}}
}

// replace swaps octets for others; it panics if they are not there, so that
// no row tests nothing.
func replace(from, to string) func([]byte) []byte {
	return func(der []byte) []byte {
		if !bytes.Contains(der, []byte(from)) {
			panic("nothing to replace")
		}
		return bytes.Replace(der, []byte(from), []byte(to), 1)
	}
}

// withoutNULL leaves the first NULL of a ResponseData out.
func withoutNULL(data []byte) []byte {
	for at := 0; ; at++ {
		var e spoiling
		out := e.spoil(data, at, func(tag byte, _ []byte) []byte {
			if tag != 0x05 {
				return nil
			}
			return []byte{}
		})
		switch {
		case !e.found:
			panic("no NULL")
		case e.changed:
			return out
		}
	}
}

func setStatus(status byte) func([]byte) []byte {
	return replace("\x0a\x01\x00", string([]byte{0x0a, 0x01, status}))
}
