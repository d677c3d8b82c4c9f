// Restaple keeps OCSP staples fresh on disk for TLS servers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/restaple/restaple/agent/config"
)

// Exit codes. They are a public interface.
const (
	exitOK    = 0 // all is well
	exitNotOK = 1 // a staple is missing, ended, revoked or not as it should be
	exitUsage = 2 // the command line or the configuration is wrong
)

func main() {
	// Where net/http speaks to itself, in the midst of lines of JSON. What
	// matters of it comes back as an error.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, standardError())
	stop()
	os.Exit(code)
}

// notOK ends a command with exit code 1. Its message, if it has one, is
// printed like any other.
type notOK struct{ message string }

func (e *notOK) Error() string { return e.message }

// hinted is an error with advice for the user, printed on a line of its own.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

// execute runs the command line args and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := unknownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitOK
	}
	bad, isBad := errors.AsType[*notOK](err)
	_, ofFile := errors.AsType[config.Problems](err)
	switch {
	case ofFile:
		fmt.Fprintln(stderr, err) // a line each, which begins with the file's name
	case !isBad, bad.message != "":
		fmt.Fprintf(stderr, "restaple: %v\n", err)
	}
	if h, ok := errors.AsType[*hinted](err); ok {
		fmt.Fprintf(stderr, "hint: %s\n", h.hint)
	}
	if isBad {
		return exitNotOK
	}
	return exitUsage
}
