package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

// demoResponder is the lab's responder with an ear on the wire: what it gives
// out is noted, and verified like any other response.
type demoResponder struct {
	*lab.Responder
	url string

	mu     sync.Mutex
	chains map[string]*chain.Chain // by serial
	given  []*demoAnswer
}

// demoAnswer is a response as it left the responder.
type demoAnswer struct {
	serial, method string
	says           lab.Status
	der            []byte
	at             time.Time

	// What became of verifying it, by the time the client could read it.
	staple   *staple.Staple // good, or else said as revoked or unknown
	err      error          // why it is nothing of the kind
	verified time.Time
}

// demoMemory bounds what is noted while the demo is held open.
const demoMemory = 64

func newDemoResponder(ca *lab.CA, url string) (*demoResponder, error) {
	delegate, err := ca.Issue(lab.IssueOptions{
		CommonName: "restaple demo responder", OCSPSigning: true, NoCheck: true, Responders: []string{},
	})
	if err != nil {
		return nil, err
	}
	r := &demoResponder{url: url, chains: make(map[string]*chain.Chain)}
	r.Responder, err = lab.NewResponder(lab.ResponderOptions{
		CA: ca, Delegate: delegate, Validity: demoValidity, Backdate: demoBackdate, Step: demoStep,
		Observe: func(e lab.Exchange) {
			a, ok := e.Request.Context().Value(demoAnswerKey{}).(*demoAnswer)
			if ok && len(e.Serials) == 1 {
				a.serial, a.says = e.Serials[0], lab.Status(e.Answer)
			}
		},
	})
	return r, err
}

// know lets the answers about a certificate be verified.
func (r *demoResponder) know(i *lab.Issued) error {
	c, err := chain.FromCertificates([]*x509.Certificate{i.Certificate, i.Issuer.Certificate})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chains[lab.SerialText(i.Certificate.SerialNumber)] = c
	return nil
}

type demoAnswerKey struct{}

// ServeHTTP answers and notes what it answered.
func (r *demoResponder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a := &demoAnswer{method: req.Method}
	t := &tap{ResponseWriter: w, status: http.StatusOK}
	r.Responder.ServeHTTP(t, req.WithContext(context.WithValue(req.Context(), demoAnswerKey{}, a)))
	a.at = time.Now()
	if t.status != http.StatusOK || t.body.Len() == 0 {
		return // nothing new, or a fault
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.chains[a.serial]
	if c == nil {
		return
	}
	a.der = t.body.Bytes()
	a.staple, a.err = staple.Verify(a.der, c, a.at, staple.Options{})
	if e, ok := errors.AsType[*staple.Error](a.err); ok && e.Statement != nil {
		a.staple, a.err = e.Statement, nil
	}
	a.verified = time.Now()
	if len(r.given) >= demoMemory {
		r.given = append(r.given[:0], r.given[1:]...)
	}
	r.given = append(r.given, a)
}

// last returns what was last given out about a certificate, if that was after
// some time, or nil.
func (r *demoResponder) last(serial *big.Int, after time.Time) *demoAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.given) - 1; i >= 0 && r.given[i].at.After(after); i-- {
		if r.given[i].serial == lab.SerialText(serial) {
			return r.given[i]
		}
	}
	return nil
}

// gave reports whether a response was given out at some time or later.
func (r *demoResponder) gave(der []byte, since time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.given, func(a *demoAnswer) bool {
		return !a.at.Before(since) && bytes.Equal(a.der, der)
	})
}

// tap copies what is written to a client.
type tap struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (t *tap) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (t *tap) Write(p []byte) (int, error) {
	t.body.Write(p)
	return t.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }
