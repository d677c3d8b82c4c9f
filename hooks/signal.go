package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	// listenTime is how long to wait for a process that does not listen to a
	// signal: as long as HAProxy reloads with thousands of certificates, but
	// less than the time that a hook has by default.
	listenTime = 20 * time.Second

	// listenTick is how often to look whether it does.
	listenTick = 10 * time.Millisecond
)

// SignalOptions describes a signal hook. Signal and one of PIDFile and Process
// are required.
type SignalOptions struct {
	PIDFile string // holds the process id
	Process string // name of the process; with PIDFile, a guard against a stale file
	Signal  syscall.Signal
}

type signaller struct{ options SignalOptions }

// NewSignal returns an action that sends a signal to a process. Of several
// that have the name, those are meant that no other one of them has started:
// the masters, not their workers. One that would lose the signal, since it is
// reloading, gets it when it listens again.
func NewSignal(o SignalOptions) (Action, error) {
	if o.PIDFile == "" && o.Process == "" {
		return nil, errors.New("a signal hook needs a pid file or the name of a process")
	}
	if o.Signal == 0 {
		return nil, errors.New("a signal hook needs a signal")
	}
	return &signaller{options: o}, nil
}

func (s *signaller) Deliver(ctx context.Context, changes []Change) error {
	o := s.options
	if o.PIDFile != "" {
		pid, err := readPID(o.PIDFile)
		if err != nil {
			return err
		}
		return s.send(ctx, pid)
	}
	pids, err := masters(o.Process)
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return fmt.Errorf("there is no process named %q", o.Process)
	}
	var problems []error
	for _, pid := range pids {
		problems = append(problems, s.send(ctx, pid))
	}
	return errors.Join(problems...)
}

// send signals a process if it is the one that is meant.
func (s *signaller) send(ctx context.Context, pid int) error {
	// On Linux this holds on to the process: from here on the number cannot
	// pass to another one unnoticed.
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer p.Release()
	if name := s.options.Process; name != "" {
		named, err := hasName(pid, name)
		if err != nil {
			return err
		}
		if !named {
			return fmt.Errorf("process %d is not %s", pid, name)
		}
	}
	if err := s.tell(ctx, p); err != nil {
		return fmt.Errorf("send %v to process %d: %w", s.options.Signal, pid, err)
	}
	return nil
}

// tell sends the signal when the process listens to it. Should the process begin
// to reload by itself meanwhile, it reads its files after that, so that nothing
// is lost.
func (s *signaller) tell(ctx context.Context, p *os.Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, listenTime, fmt.Errorf("it has not listened for %v", listenTime))
	defer cancel()
	tick := time.NewTicker(listenTick)
	defer tick.Stop()
	for sent := false; ; {
		now, known := receptionOf(p.Pid, s.options.Signal)
		if !known {
			return p.Signal(s.options.Signal)
		}
		switch now.next(sent) {
		case sendLast:
			return p.Signal(s.options.Signal)
		case sendOnce:
			if err := p.Signal(s.options.Signal); err != nil {
				return err
			}
			sent = true
		case taken:
			return nil
		case wait:
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
