package lab

import (
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The values of responseStatus (RFC 6960 section 4.2.1).
const (
	Successful       = 0
	MalformedRequest = 1
	InternalError    = 2
	TryLater         = 3
	SigRequired      = 5
	Unauthorized     = 6
)

// Response describes an OCSP response (RFC 6960 section 4.2.1), right or
// wrong in any single respect. A good one comes from CA.Vouch; tests change
// one field of it.
type Response struct {
	Status     int // responseStatus; anything but Successful is encoded alone
	Version    int // 0 is v1, the only one there is
	ProducedAt time.Time
	Singles    []Single
	Extensions []pkix.Extension

	Signer    KeyPair                 // Certificate decides the responderID and the default algorithm
	ByKey     bool                    // responderID is the hash of the signer's key instead of its name
	Responder []byte                  // responderID's Name (DER) or key hash, instead of the signer's
	Algorithm x509.SignatureAlgorithm // 0: SHA-256 with the signer's kind of key
	Embed     []*x509.Certificate
	EmbedRaw  [][]byte // further elements of certs, after Embed, as they are

	Type       asn1.ObjectIdentifier // responseType; nil is id-pkix-ocsp-basic
	TimeFormat string                // a time.Layout; "" is GeneralizedTime as DER wants it

	// Each hook, if set, gets the encoded part and returns what is to stand
	// in its place: ResponseData before it is signed, the signature's
	// octets, the BasicOCSPResponse, and the whole.
	TamperData      func([]byte) []byte
	TamperSignature func([]byte) []byte
	TamperBasic     func([]byte) []byte
	Tamper          func([]byte) []byte
}

const derTime = "20060102150405Z"

var oidBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}

// Vouch returns a response by c itself that says good of the leaf.
func (c *CA) Vouch(leaf *x509.Certificate, thisUpdate, nextUpdate time.Time) Response {
	return Response{
		ProducedAt: thisUpdate,
		Signer:     c.KeyPair,
		Singles: []Single{{
			Issuer:     c.Certificate,
			Serial:     leaf.SerialNumber,
			ThisUpdate: thisUpdate,
			NextUpdate: nextUpdate,
		}},
	}
}

// Encode signs the response and returns its DER.
func (r Response) Encode() ([]byte, error) {
	der, err := r.encode()
	if err != nil {
		return nil, fmt.Errorf("encode OCSP response: %w", err)
	}
	return tamper(r.Tamper, der), nil
}

func (r Response) encode() ([]byte, error) {
	var basic []byte
	if r.Status == Successful {
		var err error
		if basic, err = r.basic(); err != nil {
			return nil, err
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(r.Status))
		if r.Status != Successful {
			return
		}
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				if r.Type == nil {
					r.Type = oidBasic
				}
				b.AddASN1ObjectIdentifier(r.Type)
				b.AddASN1OctetString(basic)
			})
		})
	})
	return b.Bytes()
}

// basic encodes and signs the BasicOCSPResponse.
func (r Response) basic() ([]byte, error) {
	data, err := r.data()
	if err != nil {
		return nil, err
	}
	data = tamper(r.TamperData, data)
	algorithm, signature, err := sign(r.Signer.Key, r.Algorithm, data)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(data)
		b.AddBytes(algorithm)
		b.AddASN1BitString(tamper(r.TamperSignature, signature))
		if len(r.Embed)+len(r.EmbedRaw) == 0 {
			return
		}
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, cert := range r.Embed {
					b.AddBytes(cert.Raw)
				}
				for _, raw := range r.EmbedRaw {
					b.AddBytes(raw)
				}
			})
		})
	})
	der, err := b.Bytes()
	return tamper(r.TamperBasic, der), err
}

// data encodes the ResponseData, which is what gets signed.
func (r Response) data() ([]byte, error) {
	if r.TimeFormat == "" {
		r.TimeFormat = derTime
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if r.Version != 0 {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(r.Version)) })
		}
		r.addResponderID(b)
		addTime(b, r.ProducedAt, r.TimeFormat)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, s := range r.Singles {
				s.add(b, r.TimeFormat)
			}
		})
		addExtensions(b, r.Extensions)
	})
	return b.Bytes()
}

func (r Response) addResponderID(b *cryptobyte.Builder) {
	id := r.Responder
	if r.ByKey {
		if id == nil {
			bits, err := keyBits(r.Signer.Certificate)
			if err != nil {
				b.SetError(err)
				return
			}
			hash := sha1.Sum(bits)
			id = hash[:]
		}
		b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(id) })
		return
	}
	if id == nil {
		id = r.Signer.Certificate.RawSubject
	}
	b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { b.AddBytes(id) })
}

func tamper(change func([]byte) []byte, der []byte) []byte {
	if change == nil {
		return der
	}
	return change(der)
}
