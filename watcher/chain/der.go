package chain

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// isDER reports whether the input begins as a DER certificate does: a SEQUENCE
// whose length takes more than one octet. No text begins so.
func isDER(in []byte) bool {
	return len(in) >= 2 && in[0] == 0x30 && in[1] >= 0x81 && in[1] <= 0x84
}

// cutElement cuts the first SEQUENCE off; whatever follows it is the rest.
func cutElement(in []byte) (element, rest []byte, err error) {
	s := cryptobyte.String(in)
	var out cryptobyte.String
	if s.ReadASN1Element(&out, asn1.SEQUENCE) {
		return out, s, nil
	}
	if need, ok := declaredLength(in); ok && need > len(in) {
		return nil, nil, fmt.Errorf("%w: %d of %d bytes", ErrIncomplete, len(in), need)
	}
	return nil, nil, ErrNotChain
}

// declaredLength returns how long the element that begins the input says it
// is, header included.
func declaredLength(in []byte) (int, bool) {
	if !isDER(in) {
		return 0, false
	}
	octets := int(in[1] & 0x7f)
	if len(in) < 2+octets {
		return 2 + octets, true // the length itself is cut
	}
	length := 0
	for _, b := range in[2 : 2+octets] {
		length = length<<8 | int(b)
	}
	if length > MaxSize {
		return 0, false // no certificate: this is something else
	}
	return 2 + octets + length, true
}

// splitDER takes one certificate or several, one after the other.
func splitDER(in []byte) (ders [][]byte, err error) {
	for rest := in; len(rest) > 0; {
		var der []byte
		der, rest, err = cutElement(rest)
		if len(ders) > 0 && errors.Is(err, ErrNotChain) {
			return ders, fmt.Errorf("after certificate %d: %w", len(ders), errNotCertificate)
		}
		if err != nil {
			return ders, err
		}
		if _, err := readSketch(der); err != nil {
			if len(ders) == 0 && !looksLikeCertificate(der) {
				return nil, ErrNotChain // a key, a request, a CRL, a PKCS#12 file
			}
			return ders, fmt.Errorf("certificate %d: %w", len(ders)+1, err)
		}
		ders = append(ders, bytes.Clone(der))
		rest = bytes.TrimRight(rest, "\r\n") // what an editor leaves behind
	}
	return ders, nil
}

// looksLikeCertificate reports whether DER that is no certificate was meant to
// be one: a SEQUENCE in a SEQUENCE that begins with an explicit version.
func looksLikeCertificate(der []byte) bool {
	s := cryptobyte.String(der)
	var outer, tbs, version cryptobyte.String
	return s.ReadASN1(&outer, asn1.SEQUENCE) && outer.ReadASN1(&tbs, asn1.SEQUENCE) &&
		tbs.ReadASN1(&version, asn1.Tag(0).ContextSpecific().Constructed())
}
