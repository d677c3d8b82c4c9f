package lab

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Responder answers OCSP requests about the certificates of one CA, over HTTP
// with GET and POST (RFC 6960 appendix A, RFC 9919), and misbehaves when told
// to. It is safe for concurrent use.
type Responder struct {
	o        ResponderOptions
	odd      oddSigners
	received atomic.Int64

	mu    sync.Mutex
	state State
	slots map[slotKey]slot
	ids   map[crypto.Hash]certID // name and key hashes of the CA, by algorithm
}

// ResponderOptions says how a responder behaves when it behaves.
type ResponderOptions struct {
	CA       *CA
	Delegate *Issued // signs in the CA's place and is embedded; nil: the CA signs

	// Validity is the time from thisUpdate to nextUpdate, an hour if zero.
	// Step is how long a response is given out before there is a newer one,
	// a quarter of Validity but at least a second if zero. Backdate is how
	// far thisUpdate lies behind the time of signing.
	Validity, Step, Backdate time.Duration

	NoNextUpdate bool
	ByKey        bool // responderID is the hash of the signer's key
	EchoNonce    bool // most responders in use do not

	// Observe, if set, is told of each request before it is answered. It is
	// called from many goroutines.
	Observe func(Exchange)
}

// Exchange is a request and what the responder is about to do.
type Exchange struct {
	Request *http.Request
	DER     []byte      // the OCSP request
	Serials []string    // as SerialText writes them; none if the request is malformed
	Hash    crypto.Hash // of the first CertID
	Nonce   []byte
	Answer  string // "good", "revoked", "unknown", or an error status
	Fault   Fault
}

const defaultValidity = time.Hour

// NewResponder makes a responder that says good of everything the CA issued.
// It is served with Serve, or as any http.Handler.
func NewResponder(o ResponderOptions) (*Responder, error) {
	if o.CA == nil {
		return nil, errors.New("responder without a CA")
	}
	if o.Validity == 0 {
		o.Validity = defaultValidity
	}
	if o.Step == 0 {
		o.Step = max(o.Validity/4, time.Second)
	}
	if o.Validity < time.Second {
		return nil, fmt.Errorf("responder: validity %v: must be at least 1s, which is what responses can say", o.Validity)
	}
	if o.Step < 0 || o.Backdate < 0 || o.Backdate >= o.Validity {
		return nil, fmt.Errorf("responder: step %v, backdate %v: must not be negative, and backdate less than the validity %v",
			o.Step, o.Backdate, o.Validity)
	}
	r := &Responder{
		o:     o,
		odd:   oddSigners{ca: o.CA},
		state: State{Default: Good}.clone(),
		slots: make(map[slotKey]slot),
		ids:   make(map[crypto.Hash]certID),
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		name, key, err := idHashes(o.CA.Certificate, h)
		if err != nil {
			return nil, fmt.Errorf("responder: %w", err)
		}
		r.ids[h] = certID{hash: h, name: name, key: key}
	}
	return r, nil
}

// Received returns how many HTTP requests there have been.
func (r *Responder) Received() int64 { return r.received.Load() }

// SetState replaces everything the responder has been told.
func (r *Responder) SetState(s State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = s.clone()
}

// Revoke makes the responder say revoked of a serial, with one of Reasons or
// "" for none.
func (r *Responder) Revoke(serial *big.Int, reason string, at time.Time) error {
	if _, err := reasonCode(reason); err != nil {
		return err
	}
	r.record(serial, func(c *Record) { c.Status, c.Reason, c.RevokedAt = Revoked, reason, at })
	return nil
}

// Forget makes the responder say unknown of a serial.
func (r *Responder) Forget(serial *big.Int) {
	r.record(serial, func(c *Record) { c.Status = Unknown })
}

// Restore makes the responder say good of a serial again.
func (r *Responder) Restore(serial *big.Int) {
	r.record(serial, func(c *Record) { c.Status = Good })
}

// SetFault makes the responder misbehave whatever it is asked; "" ends that.
func (r *Responder) SetFault(f Fault) error {
	if err := f.Check(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Fault = f
	return nil
}

// SetFaultFor makes the responder misbehave when asked about one serial.
func (r *Responder) SetFaultFor(serial *big.Int, f Fault) error {
	if err := f.Check(); err != nil {
		return err
	}
	r.record(serial, func(c *Record) { c.Fault = f })
	return nil
}

// Renew makes the responder sign everything anew: the next response to each
// request is newer than the one before.
func (r *Responder) Renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Epoch++
}

// NameOf returns the name a serial was recorded under, or the serial.
func (r *Responder) NameOf(serial string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.state.Records[serial]; ok && c.Name != "" {
		return c.Name
	}
	return serial
}

func (r *Responder) record(serial *big.Int, change func(*Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.state.Records[SerialText(serial)]
	change(&c)
	r.state.Records[SerialText(serial)] = c
}

// ours reports whether a CertID names a certificate of the responder's CA.
func (r *Responder) ours(id certID) bool {
	ca, ok := r.ids[id.hash]
	return ok && bytes.Equal(ca.name, id.name) && bytes.Equal(ca.key, id.key)
}
