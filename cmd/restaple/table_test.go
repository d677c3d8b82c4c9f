package main

import (
	"testing"
	"time"
)

func TestWhenSomethingIsDue(t *testing.T) {
	noon := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"never", time.Time{}, "-"},
		{"late", noon.Add(-time.Hour), "due"},
		{"now", noon, "2026-05-06 12:00Z"},
		{"later", noon.Add(time.Hour), "2026-05-06 13:00Z"},
	} {
		if got := due(row.at, noon); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}
