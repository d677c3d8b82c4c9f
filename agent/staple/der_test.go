package staple_test

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	der "encoding/asn1"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
)

// encodings are what DER forbids, each of one element.
var encodings = map[string]func(tag byte, content []byte) []byte{
	"an element too many": func(tag byte, content []byte) []byte {
		if tag&constructed == 0 {
			return nil
		}
		return encode(tag, slices.Concat(content, []byte{0x05, 0x00}))
	},
	"a stray octet at the end": func(tag byte, content []byte) []byte {
		if tag&constructed == 0 {
			return nil
		}
		return encode(tag, slices.Concat(content, []byte{0x00}))
	},
	"a length that is too long": func(tag byte, content []byte) []byte {
		n := len(content)
		if n < 0x80 {
			return slices.Concat([]byte{tag, 0x81, byte(n)}, content)
		}
		return slices.Concat([]byte{tag, 0x83, 0, byte(n >> 8), byte(n)}, content)
	},
	"an indefinite length": func(tag byte, content []byte) []byte {
		return slices.Concat([]byte{tag, 0x80}, content, []byte{0x00, 0x00})
	},
	"no content": func(tag byte, content []byte) []byte {
		if len(content) == 0 {
			return nil
		}
		return []byte{tag, 0x00}
	},
	"content where none belongs": func(tag byte, content []byte) []byte {
		if len(content) > 0 {
			return nil
		}
		return []byte{tag, 0x01, 0x00}
	},
	"nothing": func(byte, []byte) []byte { return []byte{} },
	"another class": func(tag byte, content []byte) []byte {
		return encode(tag^0x40, content)
	},
	"primitive for constructed": func(tag byte, content []byte) []byte {
		return encode(tag^constructed, content)
	},
}

const constructed = 0x20

// optional are the elements that a response is whole without: NULL
// parameters, a default, fields that need not be, a second SingleResponse;
// and those whose content may be anything, such as the values of extensions.
var optional = map[string][]byte{
	"nothing":    {0x05, 0x01, 0xa0, 0xa1, 0x30},
	"no content": {0x04},
}

// noExtensions is a list of extensions without any, which is read.
const noExtensions = "\xa1\x02\x30\x00"

// TestNothingOddAtAnyLevel spoils every element of a response, one at a time,
// and signs what is signed again.
func TestNothingOddAtAnyLevel(t *testing.T) {
	w := newWorld(t)
	full := w.good()
	full.Embed = certs(w.leaf.Certificate)
	full.Extensions = extension(oidNonce, true)
	full.Singles[0].Extensions = extension(oidSCTList, true)
	also(&full, func(s *lab.Single) {
		s.Serial, s.Hash, s.Status, s.RevokedAt, s.Reason = w.ca.Certificate.SerialNumber, crypto.SHA256, lab.Revoked, w.now, 1
	})
	also(&full, func(s *lab.Single) { s.Serial, s.Status = big.NewInt(7), lab.Unknown })
	full.TamperData = withVersion
	w.accept(w.encode(full), staple.Options{})
	levels := map[string]func(*lab.Response, func([]byte) []byte){
		"ResponseData": func(r *lab.Response, f func([]byte) []byte) {
			r.TamperData = func(data []byte) []byte { return f(withVersion(data)) }
		},
		"BasicOCSPResponse": func(r *lab.Response, f func([]byte) []byte) { r.TamperBasic = f },
		"OCSPResponse":      func(r *lab.Response, f func([]byte) []byte) { r.Tamper = f },
	}
	spoilt := make(map[string]int)
	for level, hook := range levels {
		for name, change := range encodings {
			t.Run(level+" with "+name, func(t *testing.T) {
				for at := 0; ; at++ {
					var e spoiling
					r := full
					hook(&r, func(der []byte) []byte { return e.spoil(der, at, change) })
					der := w.encode(r)
					if !e.found {
						break
					}
					if !e.changed {
						continue
					}
					spoilt[name]++
					got, err := w.verify(der, staple.Options{})
					inside := !bytes.Contains(der, w.leaf.Certificate.Raw) // the embedded certificate
					passed := err == nil && (got.Unreadable == 0 || !inside) && !bytes.Contains(der, []byte(noExtensions))
					if passed && !bytes.Contains(optional[name], []byte{e.tag}) && !(inside && embedsCertificate(der)) {
						t.Errorf("element %d with tag %x: got a staple of %x", at, e.tag, der)
					}
				}
			})
		}
	}
	for name := range encodings {
		if spoilt[name] == 0 {
			t.Errorf("nothing was spoilt with %s", name)
		}
	}
}

// embedsCertificate reports whether encoding/asn1 finds the form of a
// certificate, or none at all, in certs: there algorithms may have any
// parameters and names any values.
func embedsCertificate(response []byte) bool {
	var outer struct {
		Status der.Enumerated
		Bytes  struct {
			Type  der.ObjectIdentifier
			Basic []byte
		} `asn1:"explicit,tag:0"`
	}
	var basic struct {
		Data      der.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature der.BitString
		Certs     []struct {
			TBS struct {
				Version   int `asn1:"optional,explicit,default:0,tag:0"`
				Serial    *big.Int
				Algorithm pkix.AlgorithmIdentifier
				Issuer    pkix.RDNSequence
				Validity  struct{ NotBefore, NotAfter time.Time }
				Subject   pkix.RDNSequence
				Key       struct {
					Algorithm pkix.AlgorithmIdentifier
					Bits      der.BitString
				}
				Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
			}
			Algorithm pkix.AlgorithmIdentifier
			Signature der.BitString
		} `asn1:"explicit,tag:0,optional"`
	}
	if rest, err := der.Unmarshal(response, &outer); err != nil || len(rest) > 0 {
		return false
	}
	rest, err := der.Unmarshal(outer.Bytes.Basic, &basic)
	return err == nil && len(rest) == 0
}

// withVersion puts the version, which is a default, into a ResponseData.
func withVersion(data []byte) []byte {
	in, content := cryptobyte.String(data), cryptobyte.String(nil)
	if !in.ReadASN1(&content, asn1.SEQUENCE) {
		panic("not a ResponseData")
	}
	return encode(0x30, slices.Concat([]byte{0xa0, 0x03, 0x02, 0x01, 0x00}, content))
}

// spoiling says what became of an element: it was found, it had a tag, and
// it was changed unless the change did not apply to it.
type spoiling struct {
	found, changed bool
	tag            byte
}

// spoil changes the element with a number, counted from the outside in and
// from the left. If change returns nil the element stays.
func (s *spoiling) spoil(der []byte, at int, change func(tag byte, content []byte) []byte) []byte {
	out, _ := s.walk(der, at, change)
	return out
}

// walk returns how many elements are still to be passed over.
func (s *spoiling) walk(in cryptobyte.String, at int, change func(tag byte, content []byte) []byte) (out []byte, left int) {
	for !in.Empty() && !s.found {
		var content cryptobyte.String
		var tag asn1.Tag
		if !in.ReadAnyASN1(&content, &tag) {
			panic("not DER")
		}
		element := encode(byte(tag), content)
		if at == 0 {
			s.found, s.tag = true, byte(tag)
			if changed := change(s.tag, content); changed != nil {
				s.changed, element = true, changed
			}
		} else if at--; tag&constructed != 0 {
			var inner []byte
			inner, at = s.walk(content, at, change)
			element = encode(byte(tag), inner)
		}
		out = append(out, element...)
	}
	return append(out, in...), at
}

func encode(tag byte, content []byte) []byte {
	switch n := len(content); {
	case n < 0x80:
		return slices.Concat([]byte{tag, byte(n)}, content)
	case n < 0x100:
		return slices.Concat([]byte{tag, 0x81, byte(n)}, content)
	default:
		return slices.Concat([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content)
	}
}
