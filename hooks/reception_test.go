package hooks

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// deafScript ignores a signal until it has got two lines.
const deafScript = `trap '' USR2; echo ready; read -r _; read -r _; echo listening; trap 'echo usr2' USR2; while :; do read -r _; done`

func TestASignalWaitsUntilTheProcessListens(t *testing.T) {
	s := startScript(t, deafScript)
	o := SignalOptions{Process: s.name, Signal: syscall.SIGUSR2}

	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("time is up"))
	defer cancel()
	err := deliver(ctx, t, o)
	if got, want := fmt.Sprint(err), fmt.Sprintf("send %v to process %d: time is up", o.Signal, s.cmd.Process.Pid); got != want {
		t.Errorf("to a process that ignores it: got %q, want %q", got, want)
	}

	delivered := make(chan error, 1)
	go func() { delivered <- deliver(t.Context(), t, o) }()
	select {
	case err := <-delivered:
		t.Fatalf("got %v while the process ignored it", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.want(t, "listening")
	if err := <-delivered; err != nil {
		t.Error(err)
	}
	s.want(t, "usr2")
}

func TestWhatBecomesOfASignal(t *testing.T) {
	// A master of HAProxy 2.6 with many certificates, while it reloads.
	const (
		before  = "ShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000008a03\n"
		execs   = "ShdPnd:\t0000000000000000\nSigBlk:\t0000000000020a03\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000008a03\n"
		reads   = "ShdPnd:\t0000000000000000\nSigBlk:\t0000000000020a03\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000000\n"
		pending = "ShdPnd:\t0000000000000800\nSigBlk:\t0000000000020a03\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000000\n"
		ignores = "ShdPnd:\t0000000000000000\nSigBlk:\t0000000000020a03\nSigIgn:\t0000000000001a00\nSigCgt:\t0000000000000000\n"
	)
	for _, row := range []struct {
		name, status string
		sent         bool
		want         step
	}{
		{name: "it listens", status: before, want: sendLast},
		{name: "it is about to become another program", status: execs, want: sendLast},
		{name: "it reads its files", status: reads, want: sendOnce},
		{name: "it has not taken it yet", status: pending, sent: true, want: wait},
		{name: "another one has come before", status: pending, want: sendOnce},
		{name: "it has dropped it", status: ignores, sent: true, want: wait},
		{name: "it would drop it", status: ignores, want: wait},
		{name: "it listens again", status: before, sent: true, want: sendLast},
		{name: "it takes it without a handler", status: reads, sent: true, want: taken},
		{name: "it has to end", status: "SigPnd:\t0000000000000000\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n",
			want: sendLast},
		{name: "its thread has not taken it yet", status: "SigPnd:\t0000000000000800\n" + reads, sent: true, want: wait},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, known := parseReception([]byte("Name:\tUSR2\nTgid:\t800\n"+row.status), syscall.SIGUSR2)
			if got := r.next(row.sent); !known || got != row.want {
				t.Errorf("got %+v, %t, and step %d, want step %d", r, known, got, row.want)
			}
		})
	}
	if r, known := parseReception([]byte("Name:\thaproxy\nState:\tS (sleeping)\n"), syscall.SIGUSR2); known {
		t.Errorf("a /proc that says nothing of signals: got %+v", r)
	}
}

func FuzzParseReception(f *testing.F) {
	for _, seed := range []string{"", "SigCgt:", "SigCgt:\t0000000000000800\n", "SigCgt:\tffffffffffffffff", "SigBlk:\t1\nSigCgt:\t10000000000000000"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, status []byte) {
		if r, known := parseReception(status, syscall.SIGUSR2); r.caught && !known {
			t.Errorf("got %+v, but not that it is known", r)
		}
	})
}
