package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent/config"
)

// prepareState finds and makes the state directory. Only one that was named
// must be there; without any, what could not be finished is not known to the
// next start.
func prepareState(c *config.Config, log *slog.Logger) error {
	if c.StateDir != "" {
		if err := os.MkdirAll(c.StateDir, 0o755); err != nil {
			return &hinted{fmt.Errorf("state directory: %w", err), "name one that can be written with --state-dir or state_dir"}
		}
		return nil
	}
	c.StateDir = usualStateDir()
	if err := os.MkdirAll(c.StateDir, 0o755); c.StateDir == "" || err != nil {
		log.Warn("no state directory: a hook that is due is forgotten in a crash; name one with --state-dir", "err", err)
		c.StateDir = ""
	}
	return nil
}

// usualStateDir is where state goes unless configured: where systemd says, or
// the usual place of root or of a user.
func usualStateDir() string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	const usual = "/var/lib/restaple"
	if os.Geteuid() == 0 || unix.Access(usual, unix.W_OK) == nil {
		return usual
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "restaple")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "restaple")
	}
	return ""
}
