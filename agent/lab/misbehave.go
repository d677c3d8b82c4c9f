package lab

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strconv"
	"time"
)

// circumstances is what a fault may need to know beside the response it
// spoils.
type circumstances struct {
	now       time.Time
	validity  time.Duration
	odd       *oddSigners
	parameter string
}

const (
	// futureBy is more than any client's allowance for wrong clocks.
	futureBy = 2 * day

	defaultPadding = 1 << 20
	maxPadding     = 1 << 26
)

func sayRevoked(r *Response, c circumstances) error {
	for i := range r.Singles {
		s := &r.Singles[i]
		if s.Status != Revoked {
			s.Status, s.RevokedAt, s.Reason = Revoked, c.now.Truncate(time.Second), NoReason
		}
	}
	return nil
}

func sayUnknown(r *Response, _ circumstances) error {
	for i := range r.Singles {
		r.Singles[i].Status = Unknown
	}
	return nil
}

func errorStatus(status int) func(*Response, circumstances) error {
	return func(r *Response, _ circumstances) error {
		r.Status = status
		return nil
	}
}

func sha1Only(r *Response, _ circumstances) error {
	for _, s := range r.Singles {
		if s.Hash != crypto.SHA1 {
			r.Status = Unauthorized
		}
	}
	return nil
}

func speakOfAnother(r *Response, _ circumstances) error {
	for i := range r.Singles {
		r.Singles[i].Serial = new(big.Int).Add(r.Singles[i].Serial, big.NewInt(1))
	}
	return nil
}

func speakOfStranger(r *Response, c circumstances) error {
	stranger, err := c.odd.stranger()
	if err != nil {
		return err
	}
	for i := range r.Singles {
		r.Singles[i].Issuer = stranger.Certificate
	}
	return nil
}

func addSingle(r *Response, _ circumstances) error {
	second := r.Singles[0]
	second.Serial = new(big.Int).Add(second.Serial, big.NewInt(1))
	r.Singles = append(r.Singles, second)
	return nil
}

// shift moves all times of the response to thisUpdate and sets its window.
func shift(r *Response, thisUpdate time.Time, window time.Duration) {
	thisUpdate = thisUpdate.Truncate(time.Second)
	r.ProducedAt = thisUpdate
	for i := range r.Singles {
		r.Singles[i].ThisUpdate = thisUpdate
		r.Singles[i].NextUpdate = thisUpdate.Add(window)
	}
}

func giveExpired(r *Response, c circumstances) error {
	shift(r, c.now.Add(-c.validity-time.Minute), c.validity)
	return nil
}

func giveFuture(r *Response, c circumstances) error {
	shift(r, c.now.Add(futureBy), c.validity)
	return nil
}

func giveOlder(r *Response, c circumstances) error {
	shift(r, c.now.Add(-c.validity/2), c.validity)
	return nil
}

func leaveOutNextUpdate(r *Response, _ circumstances) error {
	for i := range r.Singles {
		r.Singles[i].NextUpdate = time.Time{}
	}
	return nil
}

func damageSignature(r *Response, _ circumstances) error {
	r.TamperSignature = func(signature []byte) []byte {
		signature[len(signature)-1] ^= 1
		return signature
	}
	return nil
}

func signWithSHA1(r *Response, _ circumstances) error {
	r.Algorithm = x509.ECDSAWithSHA1
	if _, ok := r.Signer.Key.Public().(*rsa.PublicKey); ok {
		r.Algorithm = x509.SHA1WithRSA
	}
	return nil
}

func signWith(which oddSigner) func(*Response, circumstances) error {
	return func(r *Response, c circumstances) error {
		signer, err := c.odd.get(which)
		if err != nil {
			return err
		}
		r.Signer = signer.KeyPair
		r.Embed = []*x509.Certificate{signer.Certificate}
		return nil
	}
}

// padResponse adds an extension that nobody knows and that is not critical.
func padResponse(r *Response, c circumstances) error {
	size := defaultPadding
	if c.parameter != "" {
		var err error
		if size, err = strconv.Atoi(c.parameter); err != nil {
			return err
		}
	}
	r.Extensions = append(r.Extensions, pkix.Extension{
		Id:    asn1.ObjectIdentifier{2, 25, 1, 1}, // below the arc for UUIDs: nobody's
		Value: make([]byte, size),
	})
	return nil
}
