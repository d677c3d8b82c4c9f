package hooks_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/writer"
)

// TestMain turns the test binary into the process that the crash test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RESTAPLE_TEST_AGENT"); dir != "" {
		if err := site(dir).run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// site is a directory with staples, a server that reads them when it is told
// to, and the state of an agent.
type site string

const siteStaples = 40

func (s site) staple(i int) string { return filepath.Join(string(s), "staples", fmt.Sprint(i)) }
func (s site) served(i int) string { return filepath.Join(string(s), "served", fmt.Sprint(i)) }

// Deliver is the server's reload.
func (s site) Deliver(context.Context, []hooks.Change) error {
	for i := range siteStaples {
		content, err := os.ReadFile(s.staple(i))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(s.served(i)+".new", content, 0o600)
		}
		if err == nil {
			err = os.Rename(s.served(i)+".new", s.served(i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s site) queue() (*hooks.Queue, error) {
	return hooks.NewQueue(hooks.QueueOptions{
		Name: "reload", Action: s, Delay: 5 * time.Millisecond,
		Dir: filepath.Join(string(s), "state"), Log: slog.New(slog.DiscardHandler),
	})
}

// run places staples for ever, now one, now all, as an agent does.
func (s site) run() error {
	q, err := s.queue()
	if err != nil {
		return err
	}
	go q.Run(context.Background())
	for round := 0; ; round++ {
		n := 1
		if round%3 == 0 {
			n = siteStaples
		}
		var jobs []writer.Job
		var changes []hooks.Change
		for i := range n {
			content := fmt.Appendf(nil, "staple %d of round %d of process %d", i, round, os.Getpid())
			jobs = append(jobs, writer.Job{Path: s.staple(i), Data: content, Options: writer.Options{UID: -1, GID: -1}})
			changes = append(changes, hooks.Change{Event: hooks.Placed, Staple: s.staple(i)})
		}
		var promise *hooks.Promise
		writer.CommitAll(jobs, writer.CommitOptions{
			Before: func([]writer.Job) (err error) { promise, err = q.Promise(changes); return err },
			After:  func([]writer.Result) { promise.Keep(changes) },
		})
		if round == 0 {
			fmt.Println("running")
		}
	}
}

// behind counts the staples that the server does not know.
func (s site) behind(t *testing.T) int {
	t.Helper()
	n := 0
	for i := range siteStaples {
		staple, err := os.ReadFile(s.staple(i))
		if err != nil {
			t.Fatal(err)
		}
		if served, _ := os.ReadFile(s.served(i)); string(served) != string(staple) {
			n++
		}
	}
	return n
}

func TestNoReloadIsLostWhenTheProcessIsKilled(t *testing.T) {
	s := site(t.TempDir())
	for _, dir := range []string{"staples", "served"} {
		if err := os.Mkdir(filepath.Join(string(s), dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	lost := 0
	// More if each of them came when all had been told: a busy machine may be
	// late with the kill each time.
	for kill := 0; kill < 20 || lost == 0 && kill < 200; kill++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "RESTAPLE_TEST_AGENT="+string(s))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, len("running"))); err != nil {
			t.Fatal(err)
		}
		// Each kill meets the process at another point of its work.
		<-time.After(time.Duration(kill%20) * 700 * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("got %v, want it to be killed", err)
		}

		if s.behind(t) > 0 {
			lost++
		}
		q, err := s.queue()
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.behind(t); n > 0 {
			t.Errorf("kill %d: the server does not know %d staples, and nobody will tell it", kill, n)
		}
	}
	if lost == 0 {
		t.Error("no kill came between a rename and its reload: the test proves nothing")
	}
}
