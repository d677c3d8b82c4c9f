package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restaple/restaple/agent"
)

func TestCounterSaysHowFarAndGoesAway(t *testing.T) {
	var out bytes.Buffer
	c := &counter{w: &out}
	synctest.Test(t, func(*testing.T) { // where no time passes meanwhile
		c.start = time.Now().Add(-10 * time.Second)
		c.show(agent.Progress{Found: 1000, Done: 400, Failed: 100})
	})
	for _, want := range []string{"500 of 1000 certificates", "100 not well", "50/s", "10s left"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out.String(), want)
		}
	}
	out.Reset()
	if _, err := c.Write([]byte("a line of the log\n")); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "\r\x1b[Ka line of the log\n" {
		t.Errorf("got %q, want the counter taken away before the log", got)
	}
	out.Reset()
	c.end()
	if out.Len() != 0 {
		t.Errorf("it was taken away twice: %q", out.String())
	}
}

func TestShortPassShowsNoCounter(t *testing.T) {
	var out bytes.Buffer
	synctest.Test(t, func(*testing.T) {
		c := &counter{w: &out, start: time.Now()}
		c.show(agent.Progress{Found: 1000, Done: 1})
	})
	if out.Len() != 0 {
		t.Errorf("got %q", out.String())
	}
	if newCounter(&out) != nil {
		t.Error("a counter for what is no terminal")
	}
}

func TestLongPassSaysInTheLogHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		tell := logProgress(slog.New(slog.NewJSONHandler(&out, nil)))
		lines := func() (all []map[string]any) {
			for line := range strings.Lines(out.String()) {
				m := make(map[string]any)
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Fatal(err)
				}
				delete(m, "time")
				all = append(all, m)
			}
			out.Reset()
			return all
		}
		for range 3 {
			tell(agent.Progress{Found: 1000})
			time.Sleep(logEvery)
		}
		got := lines()
		if len(got) != 2 {
			t.Fatalf("%d lines, want one each time but the first: %v", len(got), got)
		}
		if _, ok := got[0]["seconds_left"]; ok || got[0]["of"] != 1000.0 || got[0]["done"] != 0.0 {
			t.Errorf("while nothing answers: %v", got[0])
		}
		time.Sleep(5 * time.Second)
		tell(agent.Progress{Found: 1000, Done: 300, Failed: 100})
		want := map[string]any{
			"level": "INFO", "msg": "pass goes on", "done": 400.0, "of": 1000.0, "failed": 100.0, "per_second": 20.0, "seconds_left": 30.0,
		}
		if got := lines(); len(got) != 1 || !maps.Equal(got[0], want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
