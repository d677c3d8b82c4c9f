package answer

import "sync/atomic"

// Counts says what requests came to, since the start. Its JSON form is a public
// interface.
type Counts struct {
	Hits      int64 `json:"hits"`      // answered from what was there
	Misses    int64 `json:"misses"`    // had to be asked for first, or could not be answered
	Upstream  int64 `json:"upstream"`  // requests to responders
	Passed    int64 `json:"passed"`    // with a nonce or several certificates, handed on
	Unchanged int64 `json:"unchanged"` // of the hits: told that nothing has changed
	Foreign   int64 `json:"foreign"`   // about certificates that are not answered for
	Malformed int64 `json:"malformed"`
	Limited   int64 `json:"limited"` // refused, because there were too many
	Kept      int64 `json:"kept"`    // responses in the state directory, now
}

type counters struct {
	hits, misses, upstream, passed, unchanged, foreign, malformed, limited atomic.Int64
}

// Snapshot returns the counts as they are now.
func (a *Answerer) Snapshot() Counts {
	c := &a.counters
	return Counts{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Upstream: c.upstream.Load(), Passed: c.passed.Load(),
		Unchanged: c.unchanged.Load(), Foreign: c.foreign.Load(), Malformed: c.malformed.Load(), Limited: c.limited.Load(),
	}
}
