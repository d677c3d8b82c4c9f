package lab

import (
	"crypto"
	_ "crypto/sha1" // CertIDs
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Status is what a SingleResponse says (RFC 6960 section 4.2.1).
type Status string

// The three statuses; "" is Good too.
const (
	Good    Status = "good"
	Revoked Status = "revoked"
	Unknown Status = "unknown"
)

// NoReason leaves revocationReason out.
const NoReason = -1

// Single describes one SingleResponse.
type Single struct {
	Issuer     *x509.Certificate // whose name and key the CertID hashes
	Serial     *big.Int
	Hash       crypto.Hash // of the CertID; 0 is SHA-1
	NameHash   []byte      // instead of the hash of the issuer's name
	KeyHash    []byte      // instead of the hash of the issuer's key
	Status     Status
	RevokedAt  time.Time // if Status is Revoked
	Reason     int       // RFC 5280 section 5.3.1, or NoReason
	ThisUpdate time.Time
	NextUpdate time.Time // zero: the response has none
	Extensions []pkix.Extension
}

func (s Single) add(b *cryptobyte.Builder, timeFormat string) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		s.addID(b)
		switch s.Status {
		case Good, "":
			b.AddASN1(implicit(0), func(*cryptobyte.Builder) {})
		case Revoked:
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { // SEQUENCE, implicitly tagged
				addTime(b, s.RevokedAt, timeFormat)
				if s.Reason != NoReason {
					b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.Reason)) })
				}
			})
		case Unknown:
			b.AddASN1(implicit(2), func(*cryptobyte.Builder) {})
		default:
			b.SetError(fmt.Errorf("status %q: must be good, revoked or unknown", s.Status))
		}
		addTime(b, s.ThisUpdate, timeFormat)
		if !s.NextUpdate.IsZero() {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { addTime(b, s.NextUpdate, timeFormat) })
		}
		addExtensions(b, s.Extensions)
	})
}

// addID adds the CertID (RFC 6960 section 4.1.1).
func (s Single) addID(b *cryptobyte.Builder) {
	if s.Hash == 0 {
		s.Hash = crypto.SHA1
	}
	name, key, err := idHashes(s.Issuer, s.Hash)
	if err != nil {
		b.SetError(err)
		return
	}
	if s.NameHash != nil {
		name = s.NameHash
	}
	if s.KeyHash != nil {
		key = s.KeyHash
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(hashOID(s.Hash))
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(name)
		b.AddASN1OctetString(key)
		b.AddASN1BigInt(s.Serial)
	})
}

// idHashes returns issuerNameHash and issuerKeyHash.
func idHashes(issuer *x509.Certificate, h crypto.Hash) (name, key []byte, err error) {
	if hashOID(h) == nil {
		return nil, nil, fmt.Errorf("CertID hash %v: must be SHA-1 or SHA-2", h)
	}
	bits, err := keyBits(issuer)
	if err != nil {
		return nil, nil, err
	}
	return digest(h, issuer.RawSubject), digest(h, bits), nil
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// keyBits returns the bits of the subjectPublicKey as they stand in the
// certificate, without the unused-bits octet.
func keyBits(cert *x509.Certificate) ([]byte, error) {
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var spki, algorithm cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!spki.ReadASN1BitStringAsBytes(&bits) {
		return nil, fmt.Errorf("certificate %q: malformed public key", cert.Subject)
	}
	return bits, nil
}

func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
func implicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }

func addTime(b *cryptobyte.Builder, t time.Time, format string) {
	b.AddASN1(cbasn1.GeneralizedTime, func(b *cryptobyte.Builder) {
		b.AddBytes([]byte(t.UTC().Format(format)))
	})
}

// addExtensions leaves the list out if it is nil; an empty one is written, as
// responders of x/crypto/ocsp do.
func addExtensions(b *cryptobyte.Builder, extensions []pkix.Extension) {
	if extensions == nil {
		return
	}
	b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, e := range extensions {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(e.Id)
					if e.Critical {
						b.AddASN1Boolean(true)
					}
					b.AddASN1OctetString(e.Value)
				})
			}
		})
	})
}
