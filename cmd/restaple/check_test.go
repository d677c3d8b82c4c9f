package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/staple"
)

// checkWorld is a PKI, a directory with certificates, and what restaple says.
type checkWorld struct {
	t   *testing.T
	pki *lab.PKI
	dir string
}

func newCheckWorld(t *testing.T) *checkWorld {
	t.Helper()
	pki, err := lab.NewPKI(lab.PKIOptions{Responders: []string{"http://127.0.0.1:1/"}})
	if err != nil {
		t.Fatal(err)
	}
	return &checkWorld{t: t, pki: pki, dir: t.TempDir()}
}

func (w *checkWorld) issue(o lab.IssueOptions) *lab.Issued {
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
func (w *checkWorld) response(issued *lab.Issued, age time.Duration, change func(*lab.Response)) []byte {
	w.t.Helper()
	now := time.Now()
	r := w.pki.Intermediate.Vouch(issued.Certificate, now.Add(-age), now.Add(time.Hour))
	if change != nil {
		change(&r)
	}
	der, err := r.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return der
}

func (w *checkWorld) write(name string, content []byte) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// serve presents a certificate until the test is over.
func (w *checkWorld) serve(cert tls.Certificate) (hostPort string) {
	w.t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				_, _ = conn.Read(make([]byte, 1)) // makes the handshake
			}()
		}
	}()
	return listener.Addr().String()
}

// restaple runs a command line.
func (w *checkWorld) restaple(args ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	var out, errs bytes.Buffer
	code = execute(w.t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// check returns what `check -o json` prints.
func (w *checkWorld) check(args ...string) (int, checked) {
	w.t.Helper()
	code, out, errs := w.restaple(append([]string{"check", "-o", "json"}, args...)...)
	var got checked
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		w.t.Fatalf("check %v: %v in %q, %s", args, err, out, errs)
	}
	return code, got
}

func TestCheckAgainstTheFile(t *testing.T) {
	w := newCheckWorld(t)
	site := w.issue(lab.IssueOptions{})
	good, older := w.response(site, time.Minute, nil), w.response(site, time.Hour, nil)
	ended := w.response(site, 2*time.Hour, func(r *lab.Response) { r.Singles[0].NextUpdate = time.Now().Add(-time.Minute) })
	revoked := w.response(site, time.Minute, func(r *lab.Response) {
		r.Singles[0].Status, r.Singles[0].RevokedAt, r.Singles[0].Reason = lab.Revoked, time.Now().Add(-time.Hour), 1
	})
	file := w.write("x.ocsp", good)
	for _, row := range []struct {
		name   string
		served []byte
		args   []string
		code   int
		want   prove.Result
		same   bool
	}{
		{"proven", good, []string{"--staple", file}, 0, prove.Proven, true},
		{"valid", good, nil, 0, prove.Valid, false},
		{"older", older, []string{"--staple", file}, 1, prove.OlderServed, false},
		{"none", nil, []string{"--staple", file}, 1, prove.NoneServed, false},
		{"none and no file", nil, []string{"--staple", file + ".missing"}, 1, prove.Nothing, true},
		{"none and nothing known", nil, nil, 1, prove.Nothing, false},
		{"withdrawn", good, []string{"--staple", file + ".missing"}, 1, prove.NotOnDisk, false},
		{"ended", ended, nil, 1, prove.Ended, false},
		{"revoked", revoked, nil, 1, prove.Revoked, false},
		{"garbage", []byte("garbage"), nil, 1, prove.Invalid, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, got := w.check(append([]string{"--connect", w.serve(site.TLS(row.served))}, row.args...)...)
			if code != row.code || got.Result != row.want || got.OK != (row.code == 0) {
				t.Errorf("got %d, %s (%s), want %d, %s", code, got.Result, got.Detail, row.code, row.want)
			}
			if known := len(row.args) > 0; (got.Disk != nil) != known || known && got.Disk.Same != row.same {
				t.Errorf("disk: %+v", got.Disk)
			}
			if got.Certificate == nil || got.Certificate.Name != "site.test" || (got.Staple != nil) != (row.served != nil) {
				t.Errorf("certificate %+v, staple %+v", got.Certificate, got.Staple)
			}
		})
	}
}

func TestCheckFindsTheFileByTheCertificate(t *testing.T) {
	w := newCheckWorld(t)
	site, other := w.issue(lab.IssueOptions{}), w.issue(lab.IssueOptions{Names: []string{"other.test"}})
	good := w.response(site, time.Minute, nil)
	w.write("other.pem", other.ChainPEM())
	w.write("other.pem.ocsp", w.response(other, time.Minute, nil))
	cert, staple := w.write("site.pem", site.ChainPEM()), w.write("site.pem.ocsp", good)
	config := w.write("restaple.yaml", fmt.Appendf(nil, "certificates:\n- paths: [%s]\n", w.dir))
	leafOnly := site.TLS(good)
	leafOnly.Certificate = leafOnly.Certificate[:1]
	for _, args := range [][]string{
		{w.dir},
		{cert},
		{"--config", config},
		{"--staple", "{dir}/{base}.ocsp", w.dir},
	} {
		code, got := w.check(append([]string{"--connect", w.serve(leafOnly)}, args...)...)
		if code != 0 || got.Result != prove.Proven || got.Disk == nil || got.Disk.Path != staple || got.Disk.Certificate != cert {
			t.Errorf("%v: got %d, %s (%s), %+v", args, code, got.Result, got.Detail, got.Disk)
		}
	}
	// HAProxy takes no staple without nextUpdate, so none is what it should be.
	odd := w.response(site, time.Minute, func(r *lab.Response) { r.Singles[0].NextUpdate = time.Time{} })
	w.write("site.pem.ocsp", odd)
	for server, want := range map[string]prove.Result{"nginx": prove.NoneServed, "haproxy": prove.Nothing} {
		if _, got := w.check("--connect", w.serve(site.TLS(nil)), "--server", server, w.dir); got.Result != want {
			t.Errorf("%s: got %s (%s), want %s", server, got.Result, got.Detail, want)
		}
	}
	if _, out, _ := w.restaple("check", "--connect", w.serve(site.TLS(nil)), "--server", "haproxy", w.dir); !strings.Contains(out, staple+" (no staple to serve)") {
		t.Errorf("nothing is served, and nothing is there to serve; got\n%s", out)
	}
	stranger := w.issue(lab.IssueOptions{Names: []string{"stranger.test"}})
	if code, got := w.check("--connect", w.serve(stranger.TLS(w.response(stranger, time.Minute, nil))), w.dir); code != 1 || got.Result != prove.OtherLeaf {
		t.Errorf("got %d, %s (%s)", code, got.Result, got.Detail)
	}
}

// TestCheckGoesByTheConfigurationOfTheServer shows that what is expected of a
// server depends on how it is looked after.
func TestCheckGoesByTheConfigurationOfTheServer(t *testing.T) {
	w := newCheckWorld(t)
	site := w.issue(lab.IssueOptions{})
	served := w.response(site, time.Minute, nil)
	w.write("site.pem", site.ChainPEM())
	w.write("site.pem.ocsp", w.response(site, time.Second, nil))
	at := w.serve(site.TLS(served))
	const told = "  hooks: [reload]\nhooks:\n- name: reload\n  command: ['true']\n"
	for hooks, want := range map[string]prove.Result{"": prove.OlderForNow, told: prove.OlderServed} {
		config := w.write("restaple.yaml", fmt.Appendf(nil, "certificates:\n- paths: [%s]\n  server: lighttpd\n%s", w.dir, hooks))
		if _, got := w.check("--connect", at, "--config", config); got.Result != want {
			t.Errorf("lighttpd with %q: got %s (%s), want %s", hooks, got.Result, got.Detail, want)
		}
	}
	// One that fits into the buffer as it is configured, and not as it usually is.
	big := w.response(site, time.Minute, func(r *lab.Response) {
		r.Singles[0].Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: append([]byte{4, 0}, make([]byte, 17000)...)}}
	})
	w.write("site.pem.ocsp", big)
	none := w.serve(site.TLS(nil))
	const wide = "  hooks: [runtime]\nhooks:\n- name: runtime\n  haproxy: {socket: /nowhere.sock, buffer: 32768}\n"
	for hooks, want := range map[string]prove.Result{"": prove.Nothing, wide: prove.NoneServed} {
		config := w.write("restaple.yaml", fmt.Appendf(nil, "certificates:\n- paths: [%s]\n  server: haproxy\n%s", w.dir, hooks))
		if _, got := w.check("--connect", none, "--config", config); got.Result != want {
			t.Errorf("haproxy with %q: got %s (%s), want %s", hooks, got.Result, got.Detail, want)
		}
	}
}

func TestCheckSaysWhatOfTheDiskCouldNotBeRead(t *testing.T) {
	w := newCheckWorld(t)
	site := w.issue(lab.IssueOptions{})
	at := w.serve(site.TLS(w.response(site, time.Minute, nil)))
	missing := filepath.Join(w.dir, "missing")
	if code, got := w.check("--connect", at, missing); code != 1 || got.Result != prove.OtherLeaf || !strings.Contains(got.Detail, "(0 were found), where not all can be read: "+missing+": no such file") {
		t.Errorf("got %d, %s (%s)", code, got.Result, got.Detail)
	}
	w.write("other.pem", w.issue(lab.IssueOptions{}).ChainPEM())
	if code, got := w.check("--connect", at, w.dir); code != 1 || !strings.HasSuffix(got.Detail, "(1 were found)") {
		t.Errorf("got %d, %s (%s)", code, got.Result, got.Detail)
	}
	half := []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	for _, name := range []string{"a.pem", "b.pem", "c.pem", "d.pem", "e.pem"} {
		w.write(name, half)
	}
	if _, got := w.check("--connect", at, w.dir); strings.Count(got.Detail, w.dir) != 3 || !strings.HasSuffix(got.Detail, "; and 2 more") {
		t.Errorf("got %s (%s)", got.Result, got.Detail)
	}
}

// TestCheckWarnsOfTheCertificate shows that a good staple does not hide that it
// is that of another site, or of a certificate that nobody accepts.
func TestCheckWarnsOfTheCertificate(t *testing.T) {
	w := newCheckWorld(t)
	now := time.Now()
	named := w.issue(lab.IssueOptions{Names: []string{"site.test", "*.sites.test"}})
	ended := w.issue(lab.IssueOptions{NotAfter: now.Add(-time.Minute)})
	early := w.issue(lab.IssueOptions{NotBefore: now.Add(time.Hour)})
	plain := w.issue(lab.IssueOptions{Names: []string{}, CommonName: "old.test"})
	for _, row := range []struct {
		name   string
		issued *lab.Issued
		as     string
		want   string
	}{
		{"its name", named, "site.test", ""},
		{"below its wildcard", named, "a.sites.test", ""},
		{"no name", named, "", ""},
		{"another name", named, "typo.test", "the certificate is not for typo.test: the server may not know this name"},
		{"a common name", plain, "OLD.test", ""},
		{"another common name", plain, "new.test", "the certificate is not for new.test: the server may not know this name"},
		{"expired", ended, "", "the certificate has expired"},
		{"early", early, "", "the certificate is not valid before " + early.Certificate.NotBefore.UTC().Format(time.RFC3339)},
	} {
		at := w.serve(row.issued.TLS(w.response(row.issued, time.Minute, nil)))
		_, got := w.check("--connect", at, "--servername", row.as)
		if warnings := strings.Join(got.Warnings, "; "); warnings != row.want {
			t.Errorf("%s: got %q, want %q", row.name, warnings, row.want)
		}
		if _, out, _ := w.restaple("check", "--connect", at, "--servername", row.as); strings.Contains(out, "  warning      "+row.want+"\n") != (row.want != "") {
			t.Errorf("%s: got\n%s", row.name, out)
		}
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	w := newCheckWorld(t)
	now := time.Now()
	site := w.issue(lab.IssueOptions{})
	good := w.response(site, time.Minute, nil)
	alone := site.TLS(good)
	alone.Certificate = alone.Certificate[:1]
	ended := w.issue(lab.IssueOptions{NotAfter: now.Add(-time.Minute)})
	demands := w.issue(lab.IssueOptions{MustStaple: true, Responders: []string{}})
	revoked := w.response(site, time.Minute, func(r *lab.Response) {
		r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, now.Add(-time.Hour)
	})
	file, foreign := w.write("site.ocsp", good), w.write("foreign.ocsp", w.response(ended, time.Minute, nil))
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	go func() {
		for {
			conn, err := plain.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("500 no TLS here\r\n"))
			conn.Close()
		}
	}()
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"not switched on", []string{"--connect", w.serve(site.TLS(nil)), "--staple", file}, "is stapling switched on"},
		{"nothing to serve", []string{"--connect", w.serve(site.TLS(nil)), "--staple", file + ".missing"}, "restaple refresh PATH gets one"},
		{"nothing that fits", []string{"--connect", w.serve(site.TLS(nil)), "--staple", foreign}, "restaple refresh PATH gets one"},
		{"withdrawn", []string{"--connect", w.serve(site.TLS(good)), "--staple", w.write("placeholder", staple.Placeholder())}, "reload the server if the staple was withdrawn"},
		{"expired", []string{"--connect", w.serve(ended.TLS(nil))}, "renew the certificate"},
		{"nobody to ask", []string{"--connect", w.serve(demands.TLS(nil))}, "the certificate names no responder"},
		{"revoked", []string{"--connect", w.serve(site.TLS(revoked))}, "get a new certificate"},
		{"another file", []string{"--connect", w.serve(site.TLS(good)), "--staple", foreign}, "is the file that --staple names that of this certificate?"},
		{"another issuer", []string{"--connect", w.serve(alone), "--issuer", w.write("root.pem", w.pki.Root.CertPEM())}, "has not signed this one"},
		{"key type", []string{"--connect", w.serve(site.TLS(good)), "--key-type", "rsa"}, "has the server a certificate with this kind of key"},
		{"no TLS", []string{"--connect", plain.Addr().String()}, "is this a TLS port?"},
		{"no SMTP", []string{"--connect", plain.Addr().String(), "--starttls", "smtp"}, "is this the port of a mail server"},
	} {
		code, out, stderr := w.restaple(append([]string{"check"}, row.args...)...)
		if code != 1 || !strings.HasPrefix(stderr, "hint: ") || !strings.Contains(stderr, row.want) {
			t.Errorf("%s: got %d, %swant %q\n%s", row.name, code, stderr, row.want, out)
		}
	}
}

func TestCheckWithoutStaple(t *testing.T) {
	w := newCheckWorld(t)
	for _, row := range []struct {
		name    string
		options lab.IssueOptions
		code    int
		want    prove.Result
		says    string
	}{
		{"names a responder", lab.IssueOptions{}, 1, prove.Nothing, "the server serves no staple"},
		{"has expired", lab.IssueOptions{NotAfter: time.Now().Add(-time.Minute)}, 1, prove.Nothing, "its certificate has expired at"},
		{"names none", lab.IssueOptions{Responders: []string{}}, 0, prove.Nothing, "no OCSP responder in this certificate"},
		{"must-staple", lab.IssueOptions{MustStaple: true}, 1, prove.NoneServed, "must-staple"},
		{"must-staple, names none", lab.IssueOptions{MustStaple: true, Responders: []string{}}, 1, prove.NoneServed, "must-staple"},
	} {
		code, got := w.check("--connect", w.serve(w.issue(row.options).TLS(nil)))
		if code != row.code || got.Result != row.want || !strings.Contains(got.Detail, row.says) {
			t.Errorf("%s: got %d, %s (%s)", row.name, code, got.Result, got.Detail)
		}
	}
}

func TestCheckNeedsTheIssuerFromSomewhere(t *testing.T) {
	w := newCheckWorld(t)
	site := w.issue(lab.IssueOptions{})
	alone := site.TLS(w.response(site, time.Minute, nil))
	alone.Certificate = alone.Certificate[:1]
	at := w.serve(alone)
	issuer := w.write("ca.pem", w.pki.Intermediate.CertPEM())
	code, _, stderr := w.restaple("check", "--connect", at)
	if code != 1 || !strings.Contains(stderr, "hint: name the issuer's certificate with --issuer") {
		t.Errorf("got %d, %s", code, stderr)
	}
	if code, got := w.check("--connect", at, "--issuer", issuer); code != 0 || got.Result != prove.Valid {
		t.Errorf("got %d, %s (%s)", code, got.Result, got.Detail)
	}
}

func TestCheckOfAServerThatIsNotThere(t *testing.T) {
	if code, got := newCheckWorld(t).check("--connect", "127.0.0.1:1"); code != 1 || got.Result != prove.Unreachable {
		t.Errorf("got %d, %s (%s)", code, got.Result, got.Detail)
	}
}

func TestCheckSaysWhatIsWrongWithItsFlags(t *testing.T) {
	w := newCheckWorld(t)
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, "connect"},
		{[]string{"--connect", "www.example"}, "must be host:port"},
		{[]string{"--connect", "::1:443"}, `or [::1]:443, got "::1:443"`},
		{[]string{"--connect", "www.example:443", "--servername", "a b"}, `--servername "a b" is not a name`},
		{[]string{"--connect", "www.example:443", "--servername", "127.0.0.1"}, `--servername "127.0.0.1" is not a name`},
		{[]string{"--connect", "www.example:443#a.example", "--servername", "b.example"}, "--servername is b.example, and --connect names a.example"},
		{[]string{"--connect", "www.example:443", "--starttls", "imap"}, `--starttls "imap" is not smtp`},
		{[]string{"--connect", "www.example:443", "--key-type", "dsa"}, "rsa or ecdsa"},
		{[]string{"--connect", "www.example:443", "--timeout", "0s"}, "--timeout"},
		{[]string{"--connect", "www.example:443", "-o", "xml"}, "xml"},
		{[]string{"--connect", "www.example:443", "--issuer", w.dir + "/none.pem"}, "no such file"},
		{[]string{"--connect", "www.example:443", "--staple", w.dir}, "directory"},
		{[]string{"--connect", "www.example:443", "--config", w.dir + "/none.yaml"}, "none.yaml"},
		{[]string{"--connect", "www.example:443", "--server", "ngnix", w.dir}, "ngnix"},
	} {
		if code, _, stderr := w.restaple(append([]string{"check"}, row.args...)...); code != 2 || !strings.Contains(stderr, row.want) {
			t.Errorf("%v: got %d, %s", row.args, code, stderr)
		}
	}
}

// TestCheckAgreesWithOpenSSL lets openssl serve the staple, and tell what it
// sees itself.
func TestCheckAgreesWithOpenSSL(t *testing.T) {
	openssl := requireOpenSSL(t)
	w := newCheckWorld(t)
	delegate, err := w.pki.Intermediate.Issue(lab.IssueOptions{CommonName: "responder of the lab", OCSPSigning: true, NoCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*lab.Response){
		"good, by the issuer": nil,
		"good, delegated": func(r *lab.Response) {
			r.Signer, r.Embed = delegate.KeyPair, append(r.Embed, delegate.Certificate)
		},
		"revoked": func(r *lab.Response) {
			r.Singles[0].Status, r.Singles[0].RevokedAt = lab.Revoked, time.Now().Add(-time.Hour)
		},
		"unknown": func(r *lab.Response) { r.Singles[0].Status = lab.Unknown },
	} {
		t.Run(name, func(t *testing.T) {
			site := w.issue(lab.IssueOptions{})
			bundle, err := site.BundlePEM()
			if err != nil {
				t.Fatal(err)
			}
			cert, staple := w.write("s.pem", bundle), w.write("s.ocsp", w.response(site, time.Minute, change))
			at := serveOpenSSL(t, openssl, "-cert", cert, "-cert_chain", cert, "-key", cert, "-status_file", staple)
			_, out, _ := w.restaple("check", "--connect", at, "--staple", staple)
			seen, err := exec.CommandContext(t.Context(), openssl, "s_client", "-connect", at, "-status").Output()
			if len(seen) == 0 {
				t.Fatal(err)
			}
			for ours, theirs := range map[string]string{
				"cert status": "Cert Status", "this update": "This Update", "next update": "Next Update",
				"produced at": "Produced At", "serial": "Serial Number", "CertID hash": "Hash Algorithm", "signer": "Responder Id",
			} {
				got, want := sameWriting(field(t, out, ours)), sameWriting(field(t, string(seen), theirs))
				if !strings.HasPrefix(got, want) {
					t.Errorf("%s: got %q, openssl says %q", ours, got, want)
				}
			}
			if !strings.Contains(out, staple+" (what is served)") {
				t.Errorf("not said to be the file:\n%s", out)
			}
		})
	}
}

// field returns what stands behind a name at the beginning of a line.
func field(t *testing.T, text, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ *` + name + `:? +(.*)$`).FindStringSubmatch(text)
	if m == nil {
		t.Errorf("no %s in:\n%s", name, text)
		return ""
	}
	return m[1]
}

// sameWriting evens out how restaple and openssl write the same thing.
func sameWriting(s string) string {
	if at, err := time.Parse("Jan _2 15:04:05 2006 GMT", s); err == nil {
		return at.Format(time.RFC3339)
	}
	s = strings.ReplaceAll(s, " = ", "=")
	if strings.EqualFold(s, "sha1") {
		return "SHA-1"
	}
	return s
}

// serveOpenSSL runs s_server until the test is over.
func serveOpenSSL(t *testing.T, openssl string, args ...string) (hostPort string) {
	t.Helper()
	at := "127.0.0.1:" + freePort(t)
	cmd := exec.CommandContext(t.Context(), openssl, slices.Concat([]string{"s_server", "-accept", at, "-quiet"}, args)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "openssl s_server listens", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return at
}

func requireOpenSSL(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "openssl") {
		t.Fatal("openssl is not installed, and RESTAPLE_TEST_REQUIRE names it")
	}
	t.Skip("openssl is not installed")
	return ""
}
