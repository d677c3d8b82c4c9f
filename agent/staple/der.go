package staple

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The readers below add to cryptobyte what DER demands beyond it. Like
// cryptobyte's, they consume what they read and report whether it was valid.

// readOID reads an object identifier and returns its content octets: they
// are unique for an identifier in DER, so comparing them needs no decoding.
func readOID(s *cryptobyte.String, oid *cryptobyte.String) bool {
	if !s.ReadASN1(oid, asn1.OBJECT_IDENTIFIER) || oid.Empty() {
		return false
	}
	start := true // of an arc
	for _, b := range *oid {
		if start && b == 0x80 {
			return false // an arc padded with zeros (X.690 section 8.19.2)
		}
		start = b&0x80 == 0
	}
	return start
}

// readInteger reads an INTEGER of any sign and returns its content octets.
func readInteger(s *cryptobyte.String, content *cryptobyte.String) bool {
	if !s.ReadASN1(content, asn1.INTEGER) || content.Empty() {
		return false
	}
	if c := *content; len(c) > 1 {
		// X.690 section 8.3.2: the first nine bits are not all alike.
		return !(c[0] == 0x00 && c[1] < 0x80 || c[0] == 0xff && c[1] >= 0x80)
	}
	return true
}

// readSmall reads an INTEGER or ENUMERATED of at most two octets and not
// negative: none that OCSP defines is larger.
func readSmall(s *cryptobyte.String, tag asn1.Tag, value *int) bool {
	var c cryptobyte.String
	if !s.ReadASN1(&c, tag) || len(c) < 1 || len(c) > 2 || c[0] > 0x7f {
		return false
	}
	if len(c) == 1 {
		*value = int(c[0])
		return true
	}
	*value = int(c[0])<<8 | int(c[1])
	return *value > 0x7f
}

// readTime reads a GeneralizedTime in the one form that RFC 5280 section
// 4.1.2.5.2 leaves: YYYYMMDDHHMMSSZ.
func readTime(s *cryptobyte.String, t *time.Time) bool {
	const form = "20060102150405Z"
	var content cryptobyte.String
	if !s.ReadASN1(&content, asn1.GeneralizedTime) || len(content) != len(form) || content[len(form)-1] != 'Z' {
		return false
	}
	for _, b := range content[:len(form)-1] {
		if b < '0' || b > '9' {
			return false
		}
	}
	number := func(from, to int) (n int) {
		for _, b := range content[from:to] {
			n = n*10 + int(b-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(4, 6), number(6, 8)
	hour, minute, second := number(8, 10), number(10, 12), number(12, 14)
	*t = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	// time.Date carries over what is out of range: the 30th of February, a
	// leap second.
	return t.Month() == time.Month(month) && t.Day() == day &&
		t.Hour() == hour && t.Minute() == minute && t.Second() == second
}

// algorithmIdentifier is RFC 5280 section 4.1.1.2. The parameters are a
// whole element, or nil if there are none.
type algorithmIdentifier struct {
	oid        cryptobyte.String
	parameters cryptobyte.String
}

func readAlgorithm(s *cryptobyte.String, a *algorithmIdentifier) bool {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !readOID(&seq, &a.oid) {
		return false
	}
	if seq.Empty() {
		return true
	}
	var tag asn1.Tag
	return seq.ReadAnyASN1Element(&a.parameters, &tag) && seq.Empty()
}

// plain reports whether there are no parameters or a NULL: both are in use
// for hashes and RSA, and RFC 4055 section 2.1 and 5 demand that both are
// accepted.
func (a algorithmIdentifier) plain() bool {
	return len(a.parameters) == 0 || string(a.parameters) == "\x05\x00"
}

// extension is RFC 5280 section 4.1.
type extension struct {
	oid      cryptobyte.String
	critical bool
	value    cryptobyte.String
}

// readExtensions reads an optional Extensions with an explicit tag. Two of
// the same kind are refused: RFC 5280 section 4.2 forbids them, and readers
// differ in which they take. There should be no empty list (section 4.1), but
// the responders of Vault and OpenBao write one into each SingleResponse, and
// OpenSSL, GnuTLS and Firefox read it; all is then empty and not nil.
func readExtensions(s *cryptobyte.String, tag asn1.Tag, all *[]extension) bool {
	var wrapped, list cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&wrapped, &present, tag) {
		return false
	}
	if !present {
		return true
	}
	if !wrapped.ReadASN1(&list, asn1.SEQUENCE) || !wrapped.Empty() {
		return false
	}
	*all = []extension{}
	for !list.Empty() {
		var e extension
		if !readExtension(&list, &e) {
			return false
		}
		for _, other := range *all {
			if string(other.oid) == string(e.oid) {
				return false
			}
		}
		*all = append(*all, e)
	}
	return true
}

func readExtension(s *cryptobyte.String, e *extension) bool {
	var seq cryptobyte.String
	if !s.ReadASN1(&seq, asn1.SEQUENCE) || !readOID(&seq, &e.oid) {
		return false
	}
	if seq.PeekASN1Tag(asn1.BOOLEAN) {
		// An explicit FALSE is the default, which DER leaves out.
		if !seq.ReadASN1Boolean(&e.critical) || !e.critical {
			return false
		}
	}
	return seq.ReadASN1(&e.value, asn1.OCTET_STRING) && seq.Empty()
}
