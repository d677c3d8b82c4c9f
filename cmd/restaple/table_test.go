package main

import (
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
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

func TestTableSaysWhenAnErrorWas(t *testing.T) {
	noon := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"of an attempt", noon.Add(-time.Hour), "\n    2026-05-06 11:00Z  no answer\n"},
		{"of now", time.Time{}, "\n    no answer\n"},
	} {
		var out strings.Builder
		r := newReport([]agent.Certificate{{State: agent.Missing, Error: "no answer", ErrorAt: row.at}}, nil, noon)
		if err := r.table(&out); err != nil || !strings.Contains(out.String(), row.want) {
			t.Errorf("%s: got %v, and %q, want in it %q", row.name, err, out.String(), row.want)
		}
	}
}
