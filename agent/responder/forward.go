package responder

import (
	"context"
	"time"
)

// Forward asks one responder with a request that somebody else has made, and
// otherwise as Ask does: Chain, Hash and Nonce of the query count for nothing,
// and the nonce in the answer is for the caller to compare. The error is an
// *Error.
func (c *Client) Forward(ctx context.Context, q Query, der []byte) (*Answer, error) {
	start := time.Now()
	u, err := parseURL(q.URL)
	if err != nil {
		return nil, &Error{Kind: KindURL, URL: Redact(q.URL), Err: err}
	}
	a, fault := c.eitherWay(ctx, &request{Query: q, name: redact(u), base: u, der: der})
	if fault != nil {
		return nil, fault
	}
	a.Took = time.Since(start)
	return a, nil
}
