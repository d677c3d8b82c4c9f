package haproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/hooks"
)

// patience is how long a test waits for HAProxy to start, reload or answer.
const patience = 20 * time.Second

// bench is an HAProxy with its certificates.
type bench struct {
	dir    string
	pki    *lab.PKI
	extra  string // lines for the global section
	binds  string // further crt words
	tcp    string // address of the TCP stats socket
	cmd    *exec.Cmd
	output bytes.Buffer
}

// newBench makes a directory for an HAProxy, short enough for unix sockets.
func newBench(t *testing.T) *bench {
	t.Helper()
	if _, err := exec.LookPath("haproxy"); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "haproxy") {
			t.Fatal("haproxy is not installed, and RESTAPLE_TEST_REQUIRE names it")
		}
		t.Skip("haproxy is not installed")
	}
	dir, err := os.MkdirTemp("", "restaple")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	pki, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{dir: dir, pki: pki}
}

func (b *bench) path(name string) string   { return filepath.Join(b.dir, name) }
func (b *bench) unix() string              { return b.path("admin.sock") }
func (b *bench) master() string            { return b.path("master.sock") }
func (b *bench) cert(domain string) string { return b.path(domain + ".pem") }

// issue makes a certificate and writes it where HAProxy takes it from.
func (b *bench) issue(t *testing.T, domain string) *lab.Issued {
	t.Helper()
	issued, err := b.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{domain}})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := issued.BundlePEM()
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, domain+".pem", pem)
	return issued
}

func (b *bench) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(b.path(name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// respond makes a response of some age that is valid for another day, with
// one thing changed.
func (b *bench) respond(t testing.TB, leaf *lab.Issued, age time.Duration, change func(*lab.Response)) []byte {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	r := b.pki.Intermediate.Vouch(leaf.Certificate, now.Add(-age), now.Add(24*time.Hour))
	if change != nil {
		change(&r)
	}
	der, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// start runs HAProxy with the certificates of domains. TLS is on a unix
// socket, the stats sockets are on a unix and on a TCP socket.
func (b *bench) start(t *testing.T, domains ...string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.tcp = l.Addr().String()
	stats, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()
	for _, d := range domains {
		b.binds += " crt " + strings.ReplaceAll(b.cert(d), " ", `\ `)
	}
	b.write(t, "haproxy.cfg", []byte(`global
	stats socket `+b.unix()+` mode 600 level admin
	stats socket fd@3 level admin
	`+b.extra+`
defaults
	mode http
	timeout client 1m
	timeout server 1m
	timeout connect 5s
frontend tls
	bind `+b.path("tls.sock")+` ssl`+b.binds+`
	http-request return status 200 content-type text/plain string served
`))
	b.cmd = exec.Command("haproxy", "-W", "-S", b.master(), "-f", b.path("haproxy.cfg"))
	b.cmd.ExtraFiles = []*os.File{stats}
	b.cmd.Stdout, b.cmd.Stderr = &b.output, &b.output
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		b.cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy said:\n%s", &b.output)
		}
	})
	b.ready(t, "")
}

// ready waits until a worker other than before answers, and returns who it is.
func (b *bench) ready(t *testing.T, before string) string {
	t.Helper()
	h, err := New(Options{Address: b.master(), Master: true, Read: noRead, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for {
		identity, err := h.Identity(t.Context())
		if err == nil && identity != before {
			if conn, err := net.Dial("unix", b.path("tls.sock")); err == nil {
				conn.Close()
				return identity
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("haproxy is not ready after %v: %v", patience, err)
		}
		time.Sleep(10 * time.Millisecond) // another process: nothing to wait on
	}
}

// reload makes the master start a new worker. Until the old one heeds that it is
// to stop, both of them take connections.
func (b *bench) reload(t *testing.T) {
	t.Helper()
	before := b.ready(t, "")
	b.tell(t, b.master(), "reload")
	b.ready(t, before)
	old, _, _ := strings.Cut(before, "@")
	// The master of 3.0 never answers a question to a worker that ends just then.
	l := line{network: "unix", address: b.master(), timeout: time.Second, longest: 4096}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		info, err := l.say(t.Context(), "@!"+old+" show info", "")
		if err == nil && (parseField(info, "Pid") != old || parseField(info, "Stopping") == "1") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the old worker goes on after %v: %v", patience, err)
		}
	}
}

// tell says a command as an operator would.
func (b *bench) tell(t *testing.T, socket, command string) string {
	t.Helper()
	l := line{network: "unix", address: socket, timeout: patience, longest: 4096}
	reply, err := l.say(t.Context(), command, "")
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// dial makes a TLS connection and returns it with the staple it got.
func (b *bench) dial(t *testing.T, domain string) (*tls.Conn, []byte) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(b.pki.Root.Certificate)
	d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: domain}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := d.DialContext(ctx, "unix", b.path("tls.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := conn.(*tls.Conn)
	return c, c.ConnectionState().OCSPResponse
}

// served returns the staple that a new client gets.
func (b *bench) served(t *testing.T, domain string) []byte {
	t.Helper()
	conn, staple := b.dial(t, domain)
	conn.Close()
	return staple
}

// disk stands for the verified staples on disk.
type disk map[string][]byte // by certificate

func (d disk) read(c hooks.Change) ([]byte, error) {
	der, ok := d[c.Cert]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return der, nil
}

func (d disk) all() []hooks.Change {
	var all []hooks.Change
	for cert := range d {
		all = append(all, hooks.Change{Event: hooks.Placed, Name: stem(cert), Cert: cert, Staple: cert + ".ocsp"})
	}
	slices.SortFunc(all, func(a, b hooks.Change) int { return strings.Compare(a.Cert, b.Cert) })
	return all
}

func noRead(hooks.Change) ([]byte, error) { return nil, errors.New("not to be read") }

// newHook makes a hook and returns it with its log.
func newHook(t *testing.T, o Options, d disk) (*Hook, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	o.Read, o.All = d.read, d.all
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h, &log
}
