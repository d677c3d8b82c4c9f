package stage

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// Window is the life of a response, as the lab responder signs it: it is Age
// old already when it comes. By choice of the two, the real thing happens
// within seconds, whatever the server wants of a response.
type Window struct {
	Validity, Age time.Duration
}

// Stage is a CA with its responder, and a directory below which all the files
// of an example lie.
type Stage struct {
	T    *testing.T
	Root string // stands for the machine's own root directory
	PKI  *lab.PKI
	Env  []string // added to the environment of all processes

	programs []string // that the test is about
	mounts   []string // see Machine
	delegate *lab.Issued
	handler  atomic.Pointer[lab.Responder]
	address  string // of the responder
	down     func()
}

// New sets the stage, if the programs are installed that the test is about.
func New(t *testing.T, programs ...string) *Stage {
	t.Helper()
	need(t, programs...)
	root := t.TempDir()
	// Servers give up their rights and read some of their files after that.
	if err := os.Chmod(filepath.Dir(root), 0o711); err != nil {
		t.Fatal(err)
	}
	s := &Stage{T: t, Root: root, programs: programs, down: func() {}}
	t.Cleanup(s.showLogs)
	s.address = s.Address() // it comes back there: see Up
	l := s.Listen(s.address)
	var err error
	if s.PKI, err = lab.NewPKI(lab.PKIOptions{Responders: []string{s.Responder()}}); err != nil {
		t.Fatal(err)
	}
	if s.delegate, err = s.PKI.Intermediate.Issue(lab.IssueOptions{CommonName: "responder", OCSPSigning: true, NoCheck: true}); err != nil {
		t.Fatal(err)
	}
	s.Respond(Window{Validity: time.Hour})
	s.serve(l)
	t.Cleanup(func() { s.down() })
	return s
}

// Responder is the URL of the responder.
func (s *Stage) Responder() string { return "http://" + s.address }

// Respond has the responder sign responses with this window from now on. There
// is a newer response each second.
func (s *Stage) Respond(w Window) {
	s.T.Helper()
	r, err := lab.NewResponder(lab.ResponderOptions{
		CA: s.PKI.Intermediate, Delegate: s.delegate,
		Validity: w.Validity, Backdate: w.Age, Step: time.Second,
	})
	if err != nil {
		s.T.Fatal(err)
	}
	s.handler.Store(r)
}

// Revoke revokes a certificate.
func (s *Stage) Revoke(leaf *lab.Issued) {
	s.T.Helper()
	if err := s.handler.Load().Revoke(leaf.Certificate.SerialNumber, "keyCompromise", time.Now()); err != nil {
		s.T.Fatal(err)
	}
}

// Down ends the responder: who asks it is refused.
func (s *Stage) Down() {
	s.down()
	s.down = func() {}
}

// Up brings the responder back.
func (s *Stage) Up() {
	s.T.Helper()
	s.serve(s.Listen(s.address))
}

// Listen listens at an address that nobody else listens at any more. A process
// that is being started may still have open what was closed here: until it is
// another program, it has all of this one's.
func (s *Stage) Listen(address string) net.Listener {
	s.T.Helper()
	for deadline := time.Now().Add(stopTime); ; time.Sleep(10 * time.Millisecond) {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			s.T.Fatal(err)
		}
	}
}

func (s *Stage) serve(l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- lab.Serve(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.handler.Load().ServeHTTP(w, r)
		}))
	}()
	s.down = func() {
		cancel()
		if err := <-served; err != nil {
			s.T.Errorf("responder: %v", err)
		}
	}
}

// Address returns an address of loopback that nobody else will use while the
// test runs.
func (s *Stage) Address() string {
	s.T.Helper()
	// The ports above are given to outgoing connections. That a port is
	// taken is marked by its namesake of UDP, for all processes.
	const first, last = 20000, 32000
	for range last - first {
		port := first + rand.IntN(last-first)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		mark, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		if free(port) {
			s.T.Cleanup(func() { mark.Close() })
			return address
		}
		mark.Close()
	}
	s.T.Fatal("no free port")
	return ""
}

// free reports whether nobody listens at a port of loopback. It does not listen
// either: see Listen.
func free(port int) bool {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return false
	}
	return syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}) == nil
}
