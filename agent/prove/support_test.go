package prove

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher/chain"
)

// world is a PKI with one leaf.
type world struct {
	t      *testing.T
	pki    *lab.PKI
	issued *lab.Issued
	now    time.Time
}

func newWorld(t *testing.T, o lab.IssueOptions) *world {
	t.Helper()
	pki, err := lab.NewPKI(lab.PKIOptions{Responders: []string{"http://127.0.0.1:1/"}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, pki: pki, now: time.Now().Truncate(time.Second)}
	w.issued = w.issue(o)
	return w
}

func (w *world) issue(o lab.IssueOptions) *lab.Issued {
	w.t.Helper()
	if o.Names == nil {
		o.Names = []string{"site.test"}
	}
	issued, err := w.pki.Intermediate.Issue(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return issued
}

// response is good and of this age, unless it is changed.
func (w *world) response(age time.Duration, change func(*lab.Response)) []byte {
	w.t.Helper()
	r := w.pki.Intermediate.Vouch(w.issued.Certificate, w.now.Add(-age), w.now.Add(time.Hour))
	if change != nil {
		change(&r)
	}
	der, err := r.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return der
}

func (w *world) chain() *chain.Chain {
	w.t.Helper()
	c, err := chain.FromCertificates([]*x509.Certificate{w.issued.Certificate, w.pki.Intermediate.Certificate})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// serve makes TLS handshakes until the test is over.
func serve(t *testing.T, config *tls.Config) Address {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		if c := tls.Server(conn, config); c.HandshakeContext(t.Context()) == nil {
			_, _ = c.Read(make([]byte, 1)) // until the client has gone
		}
	})
}

// listen answers connections until the test is over.
func listen(t *testing.T, answer func(net.Conn)) Address {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				answer(conn)
			}()
		}
	}()
	return Address{HostPort: listener.Addr().String()}
}

// requireProgram returns the path of a program, or skips the test. It fails
// where RESTAPLE_TEST_REQUIRE names the program.
func requireProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	path = filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), name) {
		t.Fatalf("%s is not installed, and RESTAPLE_TEST_REQUIRE names it", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}
