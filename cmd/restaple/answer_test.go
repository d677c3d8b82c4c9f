package main

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/lab"
)

// asks asks a responder about a certificate and returns what it says in a word.
func (s *scene) asks(client *http.Client, url string, leaf *lab.Issued) string {
	s.t.Helper()
	der, err := ocsp.CreateRequest(leaf.Certificate, s.pki.Intermediate.Certificate, &ocsp.RequestOptions{Hash: crypto.SHA1})
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := client.Post(url, "application/ocsp-request", bytes.NewReader(der))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	r, err := ocsp.ParseResponseForCert(body, leaf.Certificate, s.pki.Intermediate.Certificate)
	if err != nil {
		return err.Error()
	}
	return map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked", ocsp.Unknown: "unknown"}[r.Status]
}

// freePort returns a port of loopback that was free just now. It is below those
// that are given to outgoing connections, or one of them might take it.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(10000 + rand.IntN(10000))
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// overSocket is a client of whoever listens at a Unix socket.
func overSocket(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
}

func TestRunAnswersRequestsAcrossChangesOfItsConfiguration(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	port, socket := freePort(t), filepath.Join(t.TempDir(), "ocsp.sock")
	issuer := filepath.Join(t.TempDir(), "issuer.pem")
	s.write(issuer, s.pki.Intermediate.CertPEM())
	file := filepath.Join(t.TempDir(), "restaple.yaml")
	config := func(text string) {
		s.write(file, fmt.Appendf(nil, "state_dir: %s\nallow: [127.0.0.0/8]\n%s\n", s.state, text))
	}
	managed := fmt.Sprintf("certificates: [{paths: [%s]}]\n", s.dir)
	config(managed + "listen: " + port)
	p := startProcess(t, "run", "--config", file)
	url := "http://127.0.0.1:" + port
	until(t, "the managed certificate is answered for", func() bool { return s.asks(http.DefaultClient, url, s.issued) == "good" })
	other, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"other.test"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.asks(http.DefaultClient, url, other); !strings.Contains(got, "unauthorized") {
		t.Errorf("about a certificate that is not managed: got %s", got)
	}

	// The same address and one more, and all of the issuer. Nobody is turned
	// away meanwhile.
	config(managed + fmt.Sprintf("listen: [%s, 'unix:%s']\nanswer_for: issuers\nissuers: [{certificate: %s, responder: %s}]", port, socket, issuer, s.issued.Certificate.OCSPServer[0]))
	p.signal(syscall.SIGHUP)
	until(t, "the issuer is answered for", func() bool {
		if got := s.asks(http.DefaultClient, url, s.issued); got != "good" {
			t.Errorf("while the configuration changes: got %s", got)
		}
		return s.asks(http.DefaultClient, url, other) == "good"
	})
	local := overSocket(socket)
	if got := s.asks(local, "http://x", other); got != "good" {
		t.Errorf("over the socket: got %s", got)
	}

	// A port that is taken: the old configuration stays.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config(managed + "listen: [" + port + ", '" + taken.Addr().String() + "']")
	p.signal(syscall.SIGHUP)
	until(t, "the port is named", func() bool { return p.said("address already in use") })
	if got := s.asks(http.DefaultClient, url, other); got != "good" {
		t.Errorf("after a configuration that was not taken: got %s", got)
	}

	// Without the first address.
	config(managed + "listen: 'unix:" + socket + "'")
	p.signal(syscall.SIGHUP)
	until(t, "the first address is left", func() bool {
		return strings.Contains(s.asks(http.DefaultClient, url, s.issued), "refused")
	})
	local.CloseIdleConnections()
	if got := s.asks(local, "http://x", s.issued); got != "good" {
		t.Errorf("over the socket that stays: got %s", got)
	}

	code, _, errs := command(t, "status", "--config", file)
	if code != exitOK {
		t.Errorf("status: exit %d, %s", code, errs)
	}
	code, out2, errs := command(t, "purge", "--config", file, strings.ToUpper(lab.SerialText(other.Certificate.SerialNumber)))
	if code != exitOK || !strings.HasSuffix(out2, ": 1 answer forgotten\n") {
		t.Errorf("purge: exit %d, %s%s", code, out2, errs)
	}
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if code, out, errs := command(t, "status", "--config", file); code != exitOK || !strings.Contains(out, "requests answered since") {
		t.Errorf("status: exit %d, %s%s, want what was counted", code, out, errs)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

// TestStatusCountsWhatWasAnswered asks a fresh restaple: once about what it has,
// and twice about what it has to ask for.
func TestStatusCountsWhatWasAnswered(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir := t.TempDir()
	desk, admin, file := filepath.Join(dir, "ocsp.sock"), filepath.Join(dir, "admin.sock"), filepath.Join(dir, "restaple.yaml")
	s.write(file, fmt.Appendf(nil, "state_dir: %s\nallow: [127.0.0.0/8]\ncertificates: [{paths: [%s]}]\nlisten: 'unix:%s'\nanswer_for: issuers\nadmin: {listen: 'unix:%s'}\n",
		s.state, s.dir, desk, admin))
	p := startProcess(t, "run", "--config", file)
	until(t, "the staple is there", exists(s.cert+".ocsp"))
	until(t, "it answers", exists(desk))
	client := overSocket(desk)
	other, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"other.test"}})
	if err != nil {
		t.Fatal(err)
	}
	// Until all is known it says "try later", which counts as a miss.
	missed := 0
	until(t, "the certificate is answered for", func() bool {
		got := s.asks(client, "http://x", s.issued)
		if strings.Contains(got, "try later") {
			missed++
		}
		return got == "good"
	})
	for range 2 {
		if got := s.asks(client, "http://x", other); got != "good" {
			t.Fatalf("about another certificate: got %s", got)
		}
	}
	want := fmt.Sprintf(": 2 hits, %d misses, 1 asked upstream, 1 kept\n", missed+1)
	if code, out, errs := command(t, "status", "--agent", "unix:"+admin); code != exitOK || !strings.HasSuffix(out, want) {
		t.Errorf("status --agent: exit %d, %s%s, want %q", code, out, errs, want)
	}
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if code, out, errs := command(t, "status", "--config", file); code != exitOK || !strings.HasSuffix(out, want) {
		t.Errorf("status: exit %d, %s%s, want %q", code, out, errs, want)
	}
}

// TestCountsGoOnAcrossChangesOfTheConfiguration asks before one, and after it at
// an address that is new.
func TestCountsGoOnAcrossChangesOfTheConfiguration(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir := t.TempDir()
	first, second, file := filepath.Join(dir, "first.sock"), filepath.Join(dir, "second.sock"), filepath.Join(dir, "restaple.yaml")
	config := func(listen string) {
		s.write(file, fmt.Appendf(nil, "state_dir: %s\nallow: [127.0.0.0/8]\ncertificates: [{paths: [%s]}]\nlisten: [%s]\n", s.state, s.dir, listen))
	}
	config("'unix:" + first + "'")
	p := startProcess(t, "run", "--config", file)
	answers := func(at string) func() bool {
		return func() bool { return s.asks(overSocket(at), "http://x", s.issued) == "good" }
	}
	until(t, "it answers", answers(first))
	config("'unix:" + first + "', 'unix:" + second + "'")
	p.signal(syscall.SIGHUP)
	until(t, "it answers at the second address", answers(second))
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	const want = ": 2 hits, "
	if code, out, errs := command(t, "status", "--config", file); code != exitOK || !strings.Contains(out, want) {
		t.Errorf("status: exit %d, %s%s, want %q", code, out, errs, want)
	}
}

// TestPurgeOfAFileForgetsWhatItsIssuerHasSaid purges by the files of two
// certificates that have one serial and two issuers, and by one without its
// issuer, while restaple answers.
func TestPurgeOfAFileForgetsWhatItsIssuerHasSaid(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir := t.TempDir()
	desk, file := filepath.Join(dir, "ocsp.sock"), filepath.Join(dir, "restaple.yaml")
	s.write(file, fmt.Appendf(nil, "state_dir: %s\nallow: [127.0.0.0/8]\ncertificates: [{paths: [%s]}]\nlisten: 'unix:%s'\nanswer_for: issuers\n", s.state, s.dir, desk))
	startProcess(t, "run", "--config", file)
	until(t, "it answers", exists(desk))
	client := overSocket(desk)
	ours, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"other.test"}})
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := stranger.Intermediate.Issue(lab.IssueOptions{Names: []string{"other.test"}, Serial: ours.Certificate.SerialNumber})
	if err != nil {
		t.Fatal(err)
	}
	purge := func(pem []byte, want string) {
		t.Helper()
		cert := filepath.Join(dir, "other.pem")
		s.write(cert, pem)
		if code, out, errs := command(t, "purge", "--config", file, cert); code != exitOK || out != cert+": "+want+" forgotten\n" {
			t.Errorf("exit %d, %s%s, want %s", code, out, errs, want)
		}
	}
	until(t, "the certificate is answered for", func() bool { return s.asks(client, "http://x", ours) == "good" })
	if err := s.responder.Revoke(ours.Certificate.SerialNumber, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	purge(theirs.ChainPEM(), "0 answers")
	if got := s.asks(client, "http://x", ours); got != "good" {
		t.Errorf("what is kept: got %s, want good", got)
	}
	purge(ours.ChainPEM(), "1 answer")
	if got := s.asks(client, "http://x", ours); got != "revoked" {
		t.Errorf("after the purge: got %s, want it asked anew: revoked", got)
	}
	purge(ours.CertPEM(), "1 answer")
}

func TestPurgeTakesCertificatesAndSerialsAsPeopleWriteThem(t *testing.T) {
	s := newScene(t)
	serial := lab.SerialText(s.issued.Certificate.SerialNumber)
	for arg, want := range map[string]int{
		s.cert:                           exitOK,
		serial:                           exitOK,
		"0x" + serial:                    exitOK,
		"serial=" + serial:               exitOK,
		"4f:00:1C":                       exitOK,
		"f":                              exitOK,
		"":                               exitUsage,
		"site":                           exitUsage,
		filepath.Join(s.dir, "no.pem"):   exitUsage,
		filepath.Join(s.dir, "../../.."): exitUsage,
	} {
		if code, out, errs := command(t, "purge", "--state-dir", s.state, arg); code != want || (code == exitOK) != strings.HasSuffix(out, ": 0 answers forgotten\n") {
			t.Errorf("%q: exit %d, want %d\n%s%s", arg, code, want, out, errs)
		}
	}
	if got := serialsOf("00:00:80"); len(got) != 2 || got[0] != "\x80" || got[1] != "\x00\x80" {
		t.Errorf("got %q, want it with a sign octet and without", got)
	}
}

func TestAConfigurationMayOnlyAnswer(t *testing.T) {
	s := newScene(t)
	issuer := filepath.Join(s.dir, "issuer.pem")
	file := filepath.Join(s.dir, "restaple.yaml")
	s.write(file, fmt.Appendf(nil, "listen: 0\nanswer_for: issuers\nissuers: [{certificate: %s, responder: http://ocsp.test/}]\n", issuer))
	if code, _, errs := command(t, "config", "check", file); code != exitUsage {
		t.Errorf("without the issuer's file: exit %d, %s", code, errs)
	}
	s.write(issuer, s.pki.Intermediate.CertPEM())
	s.write(file, fmt.Appendf(nil, "listen: 127.0.0.1:0\nanswer_for: issuers\nissuers: [{certificate: %s, responder: http://ocsp.test/}]\n", issuer))
	if code, out, errs := command(t, "config", "check", file); code != exitOK {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	sys, err := assemble(c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer sys.client.Close()
	if sys.answers.options.Schedule != c.Schedule || c.Schedule == nil {
		t.Error("what is kept does not follow the schedule")
	}
	counted := []byte(`{"since": "2026-03-01T12:00:00Z", "hits": 7, "kept": 3}`)
	s.write(filepath.Join(s.state, "answers.json"), counted)
	s.write(file, fmt.Appendf(nil, "state_dir: %s\nlisten: 127.0.0.1:0\nanswer_for: issuers\nissuers: [{certificate: %s, responder: http://ocsp.test/}]\n", s.state, issuer))
	const says = "requests answered since 2026-03-01 12:00Z: 7 hits, 0 misses, 0 asked upstream, 3 kept\n"
	if code, out, errs := command(t, "status", "--config", file); code != exitOK || out != says {
		t.Errorf("status: exit %d, %s%s, want %q", code, out, errs, says)
	}
	s.write(issuer, []byte("no certificate"))
	if code, _, errs := command(t, "config", "check", file); code != exitUsage || !strings.Contains(errs, issuer) {
		t.Errorf("with a file that is none: exit %d, %s", code, errs)
	}
}

// TestURLsOfOneThatOnlyAnswersAreThoseOfItsIssuers asks the configuration and
// the running process.
func TestURLsOfOneThatOnlyAnswersAreThoseOfItsIssuers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	dir := t.TempDir()
	issuer, admin, file := filepath.Join(dir, "issuer.pem"), filepath.Join(dir, "admin.sock"), filepath.Join(dir, "restaple.yaml")
	s.write(issuer, s.pki.Intermediate.CertPEM())
	s.write(file, fmt.Appendf(nil, `
state_dir: %s
listen: 'unix:%s'
answer_for: issuers
issuers: [{certificate: %s, responder: ['http://ocsp.corp.example:8080/', 'http://other.example/']}]
responders: [{host: other.example, url: 'https://instead.example/'}]
admin: {listen: 'unix:%s'}
`, s.state, filepath.Join(dir, "ocsp.sock"), issuer, admin))
	const want = `HOST               PORT  SCHEME  CERTIFICATES  VIA
instead.example    443   https   0             -
ocsp.corp.example  8080  http    0             -
`
	if code, out, errs := command(t, "status", "--urls", "--config", file); code != exitOK || out != want {
		t.Errorf("by its configuration: exit %d\n%s%swant\n%s", code, out, errs, want)
	}
	p := startProcess(t, "run", "--config", file)
	until(t, "it listens", exists(admin))
	if code, out, errs := command(t, "status", "--urls", "--agent", "unix:"+admin); code != exitOK || out != want {
		t.Errorf("by asking it: exit %d\n%s%swant\n%s", code, out, errs, want)
	}
	p.signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
