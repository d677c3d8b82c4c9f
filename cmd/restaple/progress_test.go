package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
)

func TestCounterSaysHowFarAndGoesAway(t *testing.T) {
	var out bytes.Buffer
	c := &counter{w: &out, start: time.Now().Add(-10 * time.Second)}
	c.show(agent.Progress{Found: 1000, Done: 400, Failed: 100})
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
	c := &counter{w: &out, start: time.Now()}
	c.show(agent.Progress{Found: 1000, Done: 1})
	if out.Len() != 0 {
		t.Errorf("got %q", out.String())
	}
	if newCounter(&out) != nil {
		t.Error("a counter for what is no terminal")
	}
}
