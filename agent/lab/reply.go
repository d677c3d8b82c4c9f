package lab

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// reply is an encoded response and what its HTTP headers say.
type reply struct {
	der        []byte
	answer     string // for people
	fault      Fault
	etag       string    // "" if the reply must not be cached
	producedAt time.Time // Last-Modified
	nextUpdate time.Time // Expires; zero if there is none
	renewAt    time.Time // the end of max-age: then there is a newer one
}

// maxKept bounds the responses that are kept: the rest is the huge fault's.
const maxKept = 64 << 10

// answer makes the reply to the bytes of a request.
func (r *Responder) answer(der []byte, now time.Time) (request, reply, error) {
	q, err := parseRequest(der)
	if err != nil {
		rep, err := r.errorReply(MalformedRequest, "malformedRequest")
		return request{}, rep, err
	}
	anyOurs := false
	for _, id := range q.ids {
		anyOurs = anyOurs || r.ours(id)
	}
	if !anyOurs {
		// RFC 9919 section 3.2.3: not a certificate it can speak about.
		rep, err := r.errorReply(Unauthorized, "unauthorized")
		return q, rep, err
	}
	rep, err := r.speak(q, now)
	return q, rep, err
}

func (r *Responder) errorReply(status int, name string) (reply, error) {
	r.mu.Lock()
	fault := r.state.Fault
	r.mu.Unlock()
	der, err := Response{Status: status}.Encode()
	return reply{der: der, answer: name, fault: fault}, err
}

// speak makes the response to a request for at least one certificate of the
// CA. The first certificate decides about the fault.
func (r *Responder) speak(q request, now time.Time) (reply, error) {
	echo := r.o.EchoNonce && q.nonce != nil
	var key slotKey
	var first slot
	response := Response{Signer: r.o.CA.KeyPair, ByKey: r.o.ByKey}
	if r.o.Delegate != nil {
		response.Signer = r.o.Delegate.KeyPair
		response.Embed = []*x509.Certificate{r.o.Delegate.Certificate}
	}
	for _, id := range q.ids {
		if !r.ours(id) {
			continue
		}
		k, s := r.slotFor(id, now)
		if len(response.Singles) == 0 {
			key, first = k, s
			response.ProducedAt = s.thisUpdate.Add(r.o.Backdate)
		}
		response.Singles = append(response.Singles, r.single(id, s))
	}
	cacheable := len(q.ids) == 1 && !echo
	if cacheable && first.reply != nil {
		return *first.reply, nil
	}
	if echo {
		response.Extensions = append(response.Extensions, nonceExtension(q.nonce))
	}
	rep := reply{
		answer:     string(first.status),
		fault:      first.fault,
		producedAt: response.ProducedAt,
		nextUpdate: response.Singles[0].NextUpdate,
		renewAt:    first.renewAt,
	}
	if err := r.spoil(&response, first.fault, now); err != nil {
		return reply{}, err
	}
	var err error
	if rep.der, err = response.Encode(); err != nil {
		return reply{}, err
	}
	if !cacheable || response.Status != Successful || len(rep.der) > maxKept {
		return rep, nil
	}
	sum := sha256.Sum256(rep.der)
	rep.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return r.keep(key, first, rep), nil
}

// spoil applies a fault that is in the response itself.
func (r *Responder) spoil(response *Response, f Fault, now time.Time) error {
	if f == "" {
		return nil
	}
	k, parameter, err := f.find()
	if err != nil || k.change == nil {
		return err
	}
	return k.change(response, circumstances{now: now, validity: r.o.Validity, odd: &r.odd, parameter: parameter})
}

func (r *Responder) single(id certID, s slot) Single {
	single := Single{
		Issuer:     r.o.CA.Certificate,
		Serial:     id.serial,
		Hash:       id.hash,
		Status:     s.status,
		RevokedAt:  s.revokedAt,
		Reason:     s.reason,
		ThisUpdate: s.thisUpdate,
	}
	if !r.o.NoNextUpdate {
		single.NextUpdate = s.thisUpdate.Add(r.o.Validity)
	}
	return single
}

// nonceExtension wraps the nonce as RFC 9654 section 2.1 says.
func nonceExtension(nonce []byte) pkix.Extension {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddBytes(nonce) })
	return pkix.Extension{Id: oidNonce, Value: b.BytesOrPanic()}
}
