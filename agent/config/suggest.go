package config

import (
	"fmt"
	"strings"
)

// suggest says which of names was probably meant by name, or which there are.
func suggest(name string, names []string) string {
	plain := strings.ReplaceAll(strings.ToLower(name), "-", "_")
	best, least := "", 1+max(1, len(plain)*2/5) // two neighbours exchanged count twice
	for _, candidate := range names {
		if d := distance(plain, strings.ReplaceAll(candidate, "-", "_"), least); d < least {
			best, least = candidate, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(names) == 0:
		return "there is none"
	}
	return "want one of " + strings.Join(names, ", ")
}

// distance is how many characters have to be put in, taken out or exchanged to
// make b of a (Levenshtein), or limit if it is not less.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return min(limit, row[len(b)])
}
