package prometheus

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeListsEveryMetricWithItsLabels closes the set.
func TestReadmeListsEveryMetricWithItsLabels(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `(restaple_[a-z_]+)` \\| ([a-z, ]*)\\|").FindAllStringSubmatch(string(text), -1) {
		said[m[1]] = strings.TrimSpace(m[2])
	}
	found := scraped(t)
	for name, labels := range found {
		base := regexp.MustCompile(`_(sum|count|bucket)$`).ReplaceAllString(name, "")
		if !strings.HasPrefix(name, "restaple_") || base != name && found[base+"_count"] != nil && !strings.HasSuffix(name, "_count") {
			continue
		}
		stands, ok := said[base]
		if !ok {
			t.Errorf("%s is not there", base)
			continue
		}
		delete(said, base)
		want := slices.Sorted(func(yield func(string) bool) {
			for l := range labels {
				if l != "job" && l != "instance" && !yield(l) {
					return
				}
			}
		})
		got := slices.DeleteFunc(strings.Split(stands, ", "), func(s string) bool { return s == "" })
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: labels %v, want %v", base, got, want)
		}
	}
	if len(said) > 0 {
		t.Errorf("there are none of these: %v", slices.Sorted(maps.Keys(said)))
	}
}
