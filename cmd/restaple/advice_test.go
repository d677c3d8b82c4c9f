package main

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent"
)

func TestAdviceFitsTheCause(t *testing.T) {
	for _, row := range []struct {
		state agent.State
		err   error
		want  string // part of it; "": there is none
	}{
		{agent.NotWritable, unix.EACCES, "user write there"},
		{agent.NotWritable, unix.EROFS, "place staples elsewhere"},
		{agent.NotWritable, unix.ENOSPC, "make room"},
		{agent.NotWritable, unix.EDQUOT, "make room"},
		{agent.Unreadable, unix.EACCES, "read the certificate"},
		{agent.Unreadable, unix.EIO, ""},
	} {
		got := advice(agent.Certificate{State: row.state, Error: "replace x.ocsp: write: " + row.err.Error()})
		if !strings.Contains(got, row.want) || row.want == "" && got != "" {
			t.Errorf("%s, %v: got %q, want %q in it", row.state, row.err, got, row.want)
		}
	}
}
