package agent_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher"
)

// opens hears from the kernel what is opened in a directory.
type opens struct {
	t  *testing.T
	fd int
}

func hearOpens(t *testing.T, dir string) *opens {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	return &opens{t, fd}
}

// next returns the names of files that were opened since it was last called,
// and how often the directory itself was.
func (o *opens) next() (files []string, dir int) {
	o.t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(o.fd, buf)
		if err == unix.EAGAIN {
			return files, dir
		}
		if err != nil {
			o.t.Fatal(err)
		}
		for at := 0; at < n; {
			mask, length := binary.NativeEndian.Uint32(buf[at+4:]), int(binary.NativeEndian.Uint32(buf[at+12:]))
			name := strings.TrimRight(string(buf[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+length]), "\x00")
			if at += unix.SizeofInotifyEvent + length; mask&unix.IN_ISDIR != 0 {
				dir++
			} else {
				files = append(files, name)
			}
		}
	}
}

// look has a look everywhere, and what it leads to, and returns the files that
// were opened for it.
func (o *opens) look(a *agent.Agent) (files []string) {
	o.t.Helper()
	// The second begins when all that the first has found is read.
	for range 2 {
		if err := a.Rescan(o.t.Context()); err != nil {
			o.t.Fatal(err)
		}
		for begun, deadline := false, time.Now().Add(time.Minute); !begun; time.Sleep(time.Millisecond) {
			more, dir := o.next()
			files, begun = append(files, more...), dir > 0
			if time.Now().After(deadline) {
				o.t.Fatal("no look within a minute")
			}
		}
	}
	return files
}

func TestLookAtWhatHasNotChangedReadsNothing(t *testing.T) {
	w := newWorld(t)
	issuers := t.TempDir()
	w.group = func(g *agent.Group) {
		g.IssuerDirs = []string{issuers}
		g.Sources = append(g.Sources, watcher.Source{Path: w.path("half.pem")})
	}
	const n = 50
	w.issueMany("fresh", n)
	for i := range n {
		leaf := w.issue("no issuer.pem", lab.IssueOptions{})
		w.write(fmt.Sprintf("lone%d.pem", i), leaf.CertPEM())
	}
	if err := os.Remove(w.path("no issuer.pem")); err != nil {
		t.Fatal(err)
	}
	w.write("half.pem", w.issue("taken.pem", lab.IssueOptions{}).ChainPEM()[:300])
	w.write("taken.pem.ocsp", w.pki.Root.CertPEM()) // somebody's, and no staple
	a := w.run("generic")
	tally := func(s agent.State) int { got, _ := a.Tally(t.Context()); return got.States[s] }
	eventually(t, "all are known", func() bool {
		return tally(agent.Fresh) == n && tally(agent.NoIssuer) == n && tally(agent.Unreadable) == 1 && tally(agent.PathConflict) == 1
	})
	heard := hearOpens(t, w.dir)
	// Word of the files that the agent itself has written may still be coming.
	eventually(t, "looks open no file", func() bool {
		opened := 0
		for range 5 { // what one leads to may be opened in the next
			opened += len(heard.look(a))
		}
		return opened == 0
	})
	if err := os.Chtimes(w.path("fresh0.pem"), time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what has changed is read", func() bool { return len(heard.look(a)) > 0 })
	if err := os.WriteFile(filepath.Join(issuers, "ca.pem"), w.pki.Intermediate.CertPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	heard.look(a)
	eventually(t, "the issuer is found", func() bool { return tally(agent.Fresh) == 2*n })
}
