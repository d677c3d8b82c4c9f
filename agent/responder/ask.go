package responder

import (
	"context"
	"crypto"
	"crypto/rand"
	"time"

	"github.com/restaple/restaple/watcher/chain"
)

// Query is what to ask whom.
type Query struct {
	URL        string // of the responder
	Configured bool   // the operator gave URL: the guard trusts its host and port
	Chain      *chain.Chain
	Hash       crypto.Hash // of the CertID: crypto.SHA1 or crypto.SHA256; 0: SHA-1
	Nonce      bool        // send one; for private CAs that insist
	Validators Validators  // of the answer that is there already
	NoCache    bool        // ask caches to pass the request on; after an expired answer, once
}

// Validators make a request conditional (RFC 9110 section 8.8). They are
// kept as the responder wrote them.
type Validators struct{ ETag, LastModified string }

// NonceResult is what became of a nonce that was sent.
type NonceResult string

// What can become of a nonce. An answer with another nonce is an answer to
// another request, and must not be used.
const (
	NonceUnasked NonceResult = ""
	NonceEchoed  NonceResult = "echoed"
	NonceAbsent  NonceResult = "absent" // the times in the answer must do
	NonceDiffers NonceResult = "differs"
)

// Answer is what a responder sent.
type Answer struct {
	DER         []byte // unverified; nil if NotModified
	NotModified bool   // 304: nothing newer than what Validators belong to
	Validators  Validators
	FreshUntil  time.Time     // how long a cache may keep it, by unsigned headers; zero: unsaid
	Date        time.Time     // the responder's clock, zero if it did not show it
	Skew        time.Duration // how far the local clock is ahead of it; 0 without Date
	Method      string        // that brought the answer: GET or POST
	Took        time.Duration // all of it, with the other method
	Nonce       NonceResult
	Warnings    []string // what is odd, in words for people
}

// Ask asks one responder about a leaf: by GET if the URL with the request in it
// has at most 255 octets, else by POST, and once by the other method if the
// first is not understood (RFC 9919 section 6). The error is an *Error.
func (c *Client) Ask(ctx context.Context, q Query) (*Answer, error) {
	start := time.Now()
	u, err := parseURL(q.URL)
	if err != nil {
		return nil, &Error{Kind: KindURL, URL: Redact(q.URL), Err: err}
	}
	var nonce []byte
	if q.Nonce {
		nonce = make([]byte, nonceSize)
		_, _ = rand.Read(nonce) // never fails
	}
	r := request{Query: q, name: redact(u), base: u}
	if r.der, err = encodeRequest(q.Chain, q.Hash, nonce); err != nil {
		return nil, &Error{Kind: KindRequest, URL: r.name, Err: err}
	}
	a, fault := c.eitherWay(ctx, &r)
	if fault != nil {
		return nil, fault
	}
	a.Took = time.Since(start)
	if nonce != nil && !a.NotModified {
		a.Nonce = judgeNonce(a.DER, nonce)
	}
	return a, nil
}

func judgeNonce(der, sent []byte) NonceResult {
	got, ok := responseNonce(der)
	switch {
	case !ok:
		return NonceAbsent
	case string(got) != string(sent):
		return NonceDiffers
	}
	return NonceEchoed
}
