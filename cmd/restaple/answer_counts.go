package main

import (
	"fmt"
	"strings"

	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/config"
)

// countsOf returns what a running restaple has last counted of the requests it
// has answered; nil if it answers none.
func countsOf(c *config.Config) *answer.Counts {
	if len(c.Answer.Listen) == 0 {
		return nil
	}
	counts, ok, err := answer.ReadCounts(c.StateDir)
	if err != nil || !ok {
		return nil // it has not counted yet
	}
	return &counts
}

// answersLine is the counts for people.
func answersLine(c *answer.Counts) string {
	line := fmt.Sprintf("requests answered since %s: %d hits, %d misses, %d asked upstream, %d kept",
		short(c.Since), c.Hits, c.Misses, c.Upstream, c.Kept)
	var odd []string
	for _, o := range []struct {
		n    int64
		what string
	}{{c.Passed, "passed on"}, {c.Foreign, "about others"}, {c.Malformed, "malformed"}, {c.Limited, "over the limit"}} {
		if o.n > 0 {
			odd = append(odd, fmt.Sprintf("%d %s", o.n, o.what))
		}
	}
	if len(odd) > 0 {
		line += "; " + strings.Join(odd, ", ")
	}
	return line
}
