package main

import (
	"fmt"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/watcher/chain"
)

// foresee says what each reader would do with a response.
func foresee(readers []profile.Reader, der []byte, c *chain.Chain, now time.Time) []profile.Foresight {
	traits := profile.TraitsOf(der, c, now)
	if traits == nil {
		return nil // nobody can tell
	}
	var all []profile.Foresight
	for _, r := range readers {
		all = append(all, r.Foresee(traits))
	}
	return all
}

// foresightLines are for people, who have asked about so many readers.
func foresightLines(all []profile.Foresight, asked int) []string {
	if asked > 0 && len(all) == 0 {
		return []string{"  what servers and clients do with it is not foreseen, as it was not looked into"}
	}
	width := 0
	for _, f := range all {
		width = max(width, len(f.Reader))
	}
	var lines []string
	for _, f := range all {
		words := string(f.Does)
		if f.Detail != "" {
			words += ": " + f.Detail
		}
		lines = append(lines, fmt.Sprintf("  %-*s  %s", width, f.Reader, words))
	}
	return lines
}
