package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

type always struct{ err error }

func (a always) Deliver(context.Context, []Change) error { return a.err }

func TestOnlyARunningServerIsTold(t *testing.T) {
	dir := t.TempDir()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	told := errors.New("told")
	for name, row := range map[string]struct {
		content string
		want    error
	}{
		"alive":    {fmt.Sprint(os.Getpid(), "\n"), told},
		"ended":    {fmt.Sprint(gone.Process.Pid, "\n"), errNobody},
		"rubbish":  {"nothing", errNobody},
		"empty":    {"", errNobody},
		"no file":  {"-", errNobody},
		"a socket": {"+", told},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pid")
			switch row.content {
			case "-":
			case "+":
				path = socket.Addr().String()
			default:
				if err := os.WriteFile(path, []byte(row.content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			w := WhenRunning([]string{filepath.Join(dir, "missing"), path}, always{told}, slog.New(slog.DiscardHandler))
			if got := w.Deliver(t.Context(), nil); !errors.Is(got, row.want) {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
