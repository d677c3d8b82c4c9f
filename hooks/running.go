package hooks

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// WhenRunning returns an action that does what a does, but only while the
// server runs: one of the files holds the process id of a live process, or is
// a socket. A server that starts later reads its files then, so there is
// nothing to tell it.
func WhenRunning(files []string, a Action, log *slog.Logger) Action {
	return &whenRunning{files: files, action: a, log: log}
}

// errNobody says that there was nobody to tell, which is no failure: whoever
// starts later finds the files.
var errNobody = errors.New("the server does not run")

type whenRunning struct {
	files  []string
	action Action
	log    *slog.Logger
}

// Deliver implements Action.
func (w *whenRunning) Deliver(ctx context.Context, changes []Change) error {
	for _, path := range w.files {
		if runs(path) {
			return w.action.Deliver(ctx, changes)
		}
	}
	w.log.Debug("server does not run here, nobody to tell")
	return errNobody
}

func runs(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if info.Mode()&os.ModeSocket != 0 {
		return true
	}
	pid, err := readPID(path)
	if err != nil {
		return false
	}
	err = unix.Kill(pid, 0)
	return err == nil || err == unix.EPERM
}
