package haproxy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// margin is how long before nextUpdate HAProxy stops serving a response. 2.6
// takes one that is nearer to its end, says that all is well, and thereby
// loses the one it had.
const margin = 300 * time.Second

// response is what has to be known of a response to tell HAProxy of it.
type response struct {
	der        []byte
	key        string // of HAProxy's table: the CertID's DER in hexadecimal
	serial     string // in hexadecimal
	signature  []byte // distinguishes it from every other response for the same CertID
	nextUpdate time.Time
}

var errNoResponse = errors.New("the staple is not an OCSP response as it was verified")

// parse takes a verified response apart.
func parse(der []byte) (*response, error) {
	r := &response{der: der}
	in := cryptobyte.String(der)
	var outer, explicit, typed, octets, basic, data, algorithm cryptobyte.String
	if !in.ReadASN1(&outer, asn1.SEQUENCE) || !in.Empty() ||
		!outer.SkipASN1(asn1.ENUM) ||
		!outer.ReadASN1(&explicit, tagged(0)) ||
		!explicit.ReadASN1(&typed, asn1.SEQUENCE) ||
		!typed.SkipASN1(asn1.OBJECT_IDENTIFIER) ||
		!typed.ReadASN1(&octets, asn1.OCTET_STRING) ||
		!octets.ReadASN1(&basic, asn1.SEQUENCE) ||
		!basic.ReadASN1(&data, asn1.SEQUENCE) ||
		!basic.ReadASN1(&algorithm, asn1.SEQUENCE) ||
		!basic.ReadASN1BitStringAsBytes(&r.signature) {
		return nil, errNoResponse
	}
	var singles, single, id, other cryptobyte.String
	if !data.SkipOptionalASN1(tagged(0)) ||
		!data.ReadAnyASN1(&other, nil) || // responderID
		!data.SkipASN1(asn1.GeneralizedTime) ||
		!data.ReadASN1(&singles, asn1.SEQUENCE) ||
		!singles.ReadASN1(&single, asn1.SEQUENCE) {
		return nil, errNoResponse
	}
	if !singles.Empty() {
		return nil, errors.New("HAProxy takes only responses with exactly one SingleResponse")
	}
	var next cryptobyte.String
	var hasNext bool
	var this time.Time
	if !single.ReadASN1Element(&id, asn1.SEQUENCE) ||
		!single.ReadAnyASN1(&other, nil) || // certStatus
		!single.ReadASN1GeneralizedTime(&this) ||
		!single.ReadOptionalASN1(&next, &hasNext, tagged(0)) {
		return nil, errNoResponse
	}
	if !hasNext {
		return nil, errors.New("HAProxy takes only responses with nextUpdate")
	}
	if !next.ReadASN1GeneralizedTime(&r.nextUpdate) {
		return nil, errNoResponse
	}
	r.key = hex.EncodeToString(id)
	var inner, serial cryptobyte.String
	if !id.ReadASN1(&inner, asn1.SEQUENCE) ||
		!inner.SkipASN1(asn1.SEQUENCE) ||
		!inner.SkipASN1(asn1.OCTET_STRING) ||
		!inner.SkipASN1(asn1.OCTET_STRING) ||
		!inner.ReadASN1(&serial, asn1.INTEGER) || serial.Empty() {
		return nil, errNoResponse
	}
	r.serial = hex.EncodeToString(serial)
	return r, nil
}

func tagged(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// lasting refuses a response that HAProxy would not serve at now.
func (r *response) lasting(now time.Time) error {
	if !r.nextUpdate.After(now.Add(margin)) {
		return fmt.Errorf("its nextUpdate %s is too near: HAProxy stops serving a staple %v before that, "+
			"and would lose the one it has", r.nextUpdate.UTC().Format(time.RFC3339), margin)
	}
	return nil
}
