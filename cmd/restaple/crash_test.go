package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

const (
	crashCertificates = 40
	crashes           = 20
)

// TestKillsTearNoStapleAndLoseNoReload kills a running restaple with SIGKILL at
// odd moments while its responder has news all the time. The hook copies the
// staples, as a server that reloads would read them. After each kill the
// responder is down, so that only what was promised on disk can make the next
// process tell the hook.
func TestKillsTearNoStapleAndLoseNoReload(t *testing.T) {
	t.Parallel()
	certs, served, state := t.TempDir(), t.TempDir(), t.TempDir()
	pki, responder, url := crashLab(t)
	chains := make(map[string]*chain.Chain)
	for i := range crashCertificates {
		issued, err := pki.Intermediate.Issue(lab.IssueOptions{Names: []string{fmt.Sprintf("c%d.test", i)}, Responders: []string{url}})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(certs, fmt.Sprintf("c%d.pem", i))
		if err := os.WriteFile(path, issued.ChainPEM(), 0o644); err != nil {
			t.Fatal(err)
		}
		if chains[path], err = chain.NewLoader(chain.LoaderOptions{}).Load(path); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	readers.Go(func() { readForEver(ctx, t, chains) })

	hook := fmt.Sprintf("sh -c 'cp -- %s/*.ocsp %s/'", certs, served)
	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "run", "--allow", "127.0.0.0/8", "--state-dir", state, "--hook", hook, certs)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
	}
	changed, longest := 0, 250*time.Millisecond
	for range crashes {
		if err := responder.SetFault(""); err != nil {
			t.Fatal(err)
		}
		responder.Renew()
		before := snapshot(t, certs)
		cmd := start()
		time.Sleep(rand.N(longest)) // the moment must be odd
		kill(cmd)
		if !sameFiles(before, snapshot(t, certs)) {
			changed++
		} else if changed == 0 {
			longest = min(longest+longest/2, 5*time.Second) // a busy machine takes longer to begin
		}

		if err := responder.SetFault("500"); err != nil {
			t.Fatal(err)
		}
		cmd = start()
		deadline := time.Now().Add(patience)
		for !sameFiles(snapshot(t, certs), snapshot(t, served)) {
			if time.Now().After(deadline) {
				t.Fatal("the hook was not told of all that was on disk when restaple was killed")
			}
			time.Sleep(10 * time.Millisecond) // another process is at work
		}
		kill(cmd)
	}
	if changed == 0 {
		t.Error("no kill came while staples were being placed: the test showed nothing")
	}
	t.Logf("%d of %d kills came after a change", changed, crashes)
}

func crashLab(t *testing.T) (*lab.PKI, *lab.Responder, string) {
	t.Helper()
	pki, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	responder, err := lab.NewResponder(lab.ResponderOptions{CA: pki.Intermediate, Validity: 20 * time.Minute, Step: time.Second, Backdate: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- lab.Serve(ctx, l, responder) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return pki, responder, "http://" + l.Addr().String() + "/"
}

// readForEver reads every staple again and again: each time there is none yet,
// or all of one for this leaf.
func readForEver(ctx context.Context, t *testing.T, chains map[string]*chain.Chain) {
	verifier := staple.NewVerifier(staple.Options{})
	reads := 0
	for ctx.Err() == nil {
		for path, c := range chains {
			der, err := os.ReadFile(path + ".ocsp")
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			reads++
			_, err = verifier.Verify(der, c, time.Now())
			if err != nil {
				t.Errorf("%s.ocsp held %d octets that are no staple of its leaf: %v", path, len(der), err)
				return
			}
		}
	}
	if reads == 0 {
		t.Error("the reader never saw a staple")
	}
	t.Logf("%d staples were read and verified meanwhile", reads)
}

// snapshot reads the staples of a directory.
func snapshot(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.ocsp"))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]byte)
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(p)] = b
	}
	return out
}

func sameFiles(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for name, content := range a {
		if !bytes.Equal(content, b[name]) {
			return false
		}
	}
	return true
}
