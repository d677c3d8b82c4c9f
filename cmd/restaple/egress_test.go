package main

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/watcher/chain"
)

// nobody is a proxy that is not there.
const nobody = "http://127.0.0.1:1"

// TestSettingsOfAResponderHoldWhereItsURLLeads needs each line of an entry to
// get an answer, by leaving out one after the other.
func TestSettingsOfAResponderHoldWhereItsURLLeads(t *testing.T) {
	const certificates, limit = 5, 2
	for _, row := range []struct{ without, want string }{
		{without: "nothing"},
		{without: "proxy", want: "proxy"},
		{without: "headers", want: "http"},
		{without: "ca_file", want: "tls"},
		{without: "client_", want: "tls"},
	} {
		t.Run(row.without, func(t *testing.T) {
			s := newScene(t)
			o := newOffice(s, limit)
			n := certificates
			if row.want != "" {
				n = 1 // the lane would pause between failures
			}
			for i := range n {
				s.issue(fmt.Sprintf("%d.pem", i), "http://cert.example/")
			}
			entry := []string{
				"host: cert.example", "url: " + o.url + "/ocsp", "proxy: none", "headers: {" + wordHeader + ": " + word + "}",
				"ca_file: " + o.ca, "client_cert: " + o.cert, "client_key: " + o.key,
				"hash: sha256", "nonce: true", fmt.Sprint("max_in_flight: ", limit),
			}
			entry = slices.DeleteFunc(entry, func(line string) bool { return strings.HasPrefix(line, row.without) })
			_, out, errs := s.configured("proxy: "+nobody, "responders:\n- "+strings.Join(entry, "\n  "))
			for name, c := range readReport(t, out) {
				if c.Reason != row.want || (c.State == agent.Fresh) != (row.want == "") {
					t.Fatalf("%s: state %s, reason %q (%s), want %q\n%s", name, c.State, c.Reason, c.Error, row.want, errs)
				}
			}
			asked, most := o.exchanges()
			if row.want == "" && len(asked) != certificates || most > limit {
				t.Errorf("%d requests, up to %d at once, want %d and %d", len(asked), most, certificates, limit)
			}
			for _, e := range asked {
				if e.Hash != crypto.SHA256 || e.Nonce == nil || !strings.HasPrefix(e.Request.URL.Path, "/ocsp") {
					t.Errorf("asked with %v, nonce %x at %s", e.Hash, e.Nonce, e.Request.URL.Path)
				}
			}
		})
	}
}

// TestMaxInFlightOfAllHoldsOverResponders has three responders that would get
// four requests each at first. One for each is never refused.
func TestMaxInFlightOfAllHoldsOverResponders(t *testing.T) {
	const each, all, responders = 4, 2, 3
	s := newScene(t)
	o := newOffice(s, all+responders)
	lines := []string{fmt.Sprint("max_in_flight: ", all), "responders:"}
	for r := range responders {
		host := fmt.Sprintf("r%d.example", r)
		lines = append(lines, "- {host: "+host+", url: 'http://"+host+"/', proxy: 'http://"+o.plain+"', headers: {"+wordHeader+": "+word+"}}")
		for i := range each {
			s.issue(fmt.Sprintf("%d-%d.pem", r, i), "http://"+host+"/")
		}
	}
	_, out, errs := s.configured(lines...)
	for name, c := range readReport(t, out) {
		if c.State != agent.Fresh {
			t.Errorf("%s: %s (%s)\n%s", name, c.State, c.Error, errs)
		}
	}
	if asked, most := o.exchanges(); len(asked) != each*responders || most > all+responders {
		t.Errorf("%d requests, up to %d at once, want %d and %d", len(asked), most, each*responders, all+responders)
	}
}

// issue puts a certificate that names a responder among the scene's, and the
// scene's own away.
func (s *scene) issue(name, responder string) {
	s.t.Helper()
	issued, err := s.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{name}, Responders: []string{responder}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(filepath.Join(s.dir, name), issued.ChainPEM())
	if err := os.RemoveAll(s.cert); err != nil {
		s.t.Fatal(err)
	}
}

// config writes a configuration for the scene's certificates.
func (s *scene) config(lines ...string) (path string) {
	s.t.Helper()
	lines = append(lines, "state_dir: "+s.state, "certificates:\n- paths: ["+s.dir+"]\n")
	path = filepath.Join(s.state, "restaple.yaml")
	s.write(path, []byte(strings.Join(lines, "\n")))
	return path
}

// configured makes one pass with a configuration.
func (s *scene) configured(lines ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	return command(s.t, "refresh", "-o", "json", "--config", s.config(lines...))
}

func TestProxiesAreUsedAsConfigured(t *testing.T) {
	s := newScene(t)
	direct := s.issued.Certificate.OCSPServer[0]
	address := strings.TrimSuffix(strings.TrimPrefix(direct, "http://"), "/")
	for name, url := range map[string]string{
		"general.pem": "http://general.example/", "own.pem": "http://own.example/",
		"moved.pem": "http://old.example/", "direct.pem": direct,
	} {
		s.issue(name, url)
	}
	for _, row := range []struct {
		name         string
		lines        []string // GENERAL and OWN are the proxies
		general, own []string
		failed       []string
	}{
		{
			name: "for all, and for one",
			lines: []string{"proxy: http://u:p%40ss@GENERAL", "no_proxy: [127.0.0.1]", "responders:",
				"- {host: own.example, proxy: 'http://OWN'}", "- {host: old.example, url: 'http://new.example/'}"},
			general: []string{"general.example", "new.example"}, own: []string{"own.example"},
		},
		{
			name: "for one whose url leads elsewhere",
			lines: []string{"proxy: http://u:p%40ss@GENERAL", "no_proxy: [127.0.0.1, general.example]", "responders:",
				"- {host: old.example, url: 'http://new.example/', proxy: 'http://OWN'}", "- {host: own.example, url: '" + direct + "'}",
				"- {host: general.example, url: '" + direct + "'}"},
			own: []string{"new.example"},
		},
		{
			name:  "for responders only, with exceptions",
			lines: []string{"no_proxy: [127.0.0.1]", "responders:", "- {host: '*', proxy: 'http://OWN'}"},
			own:   []string{"general.example", "old.example", "own.example"},
		},
		{
			name:    "with a wrong password",
			lines:   []string{"proxy: http://u:wrong@GENERAL", "no_proxy: [127.0.0.1]", "responders:", "- {host: own.example, proxy: 'http://OWN'}"},
			general: []string{"general.example", "old.example"}, own: []string{"own.example"},
			failed: []string{"general.pem", "moved.pem"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			general, own := &forwarder{to: address, user: "u:p@ss"}, &forwarder{to: address}
			config := strings.NewReplacer("GENERAL", serve(t, general), "OWN", serve(t, own)).Replace(strings.Join(row.lines, "\n"))
			path := s.config("allow: [127.0.0.0/8]", config)
			_, out, errs := command(t, "refresh", "--force", "-o", "json", "--config", path)
			for name, c := range readReport(t, out) {
				want := ""
				if slices.Contains(row.failed, name) {
					want = "proxy"
				}
				if c.Reason != want {
					t.Errorf("%s: reason %q (%s), want %q", name, c.Reason, c.Error, want)
				}
			}
			if strings.Contains(out+errs, "p@ss") || strings.Contains(out+errs, "wrong") {
				t.Errorf("shows the password:\n%s%s", out, errs)
			}
			for _, p := range []struct {
				name string
				got  *forwarder
				want []string
			}{{"general", general, row.general}, {"own", own, row.own}} {
				hosts, _ := p.got.seen()
				slices.Sort(hosts)
				if hosts = slices.Compact(hosts); !slices.Equal(hosts, p.want) {
					t.Errorf("by way of the %s proxy: %v, want %v", p.name, hosts, p.want)
				}
			}
		})
	}
}

// TestRenewedClientCertificateIsTakenWithoutARestart has a client ask with a
// certificate that is not known, and again when the files hold another.
func TestRenewedClientCertificateIsTakenWithoutARestart(t *testing.T) {
	s := newScene(t)
	o := newOffice(s, 1)
	good, goodKey := readFile(t, o.cert), readFile(t, o.key)
	stranger := issueFor(s, otherPKI(t), "client.example")
	key, err := stranger.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	s.write(o.cert, stranger.ChainPEM())
	s.write(o.key, key)
	c, err := config.Load(s.config("responders:", "- host: '*'", "  headers: {"+wordHeader+": "+word+"}",
		"  ca_file: "+o.ca, "  client_cert: "+o.cert, "  client_key: "+o.key))
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(c, func(key string, err error) { t.Fatalf("%s: %v", key, err) })
	defer client.Close()
	known, err := chain.NewLoader(chain.LoaderOptions{}).Load(s.cert)
	if err != nil {
		t.Fatal(err)
	}
	q := responder.Query{URL: o.url, Configured: true, Chain: known}
	_, err = client.Ask(t.Context(), q)
	if e, ok := errors.AsType[*responder.Error](err); !ok || e.Kind != responder.KindTLS {
		t.Fatalf("with a stranger's certificate: %v, want kind tls", err)
	}
	s.write(o.cert, good) // and its key follows
	_, err = client.Ask(t.Context(), q)
	if e, ok := errors.AsType[*responder.Error](err); !ok || e.Kind != responder.KindTLS || !strings.Contains(e.Error(), "client_cert: ") {
		t.Errorf("with another's key: %v, want kind tls and the setting", err)
	}
	s.write(o.key, goodKey)
	if _, err := client.Ask(t.Context(), q); err != nil {
		t.Errorf("with the renewed one: %v", err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestHTTPSProxyIsTrustedAsTheSystemDoes runs restaple as a program, since the
// system's roots are read once. The responder's own CA must neither be needed
// nor be enough for the proxy, which must not see our certificate.
func TestHTTPSProxyIsTrustedAsTheSystemDoes(t *testing.T) {
	s := newScene(t)
	o := newOffice(s, 1)
	s.issue("leaf.pem", "http://cert.example/")
	theirs, err := lab.NewPKI(lab.PKIOptions{Name: "proxy"})
	if err != nil {
		t.Fatal(err)
	}
	system := filepath.Join(t.TempDir(), "system.pem")
	s.write(system, theirs.Root.CertPEM())
	for _, row := range []struct {
		name, want string
		pki        *lab.PKI // of the proxy
	}{
		{name: "known to the system", pki: theirs},
		{name: "known as the responder only", pki: s.pki, want: "proxy"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &forwarder{to: strings.TrimPrefix(o.url, "https://"), user: "u:p"}
			proxy := serveTLS(t, f, &tls.Config{
				Certificates: []tls.Certificate{issueFor(s, row.pki, "127.0.0.1").TLS(nil)}, ClientAuth: tls.RequestClientCert,
			})
			path := s.config("proxy: "+strings.Replace(proxy, "//", "//u:p@", 1), "responders:",
				"- host: cert.example", "  url: https://ocsp.example/", "  headers: {"+wordHeader+": "+word+"}",
				"  ca_file: "+o.ca, "  client_cert: "+o.cert, "  client_key: "+o.key)
			cmd := exec.Command(os.Args[0], "refresh", "--force", "-o", "json", "--config", path)
			cmd.Env = append(os.Environ(), asProgram+"=1", "SSL_CERT_FILE="+system, "SSL_CERT_DIR="+t.TempDir())
			out, err := cmd.Output()
			if len(out) == 0 {
				t.Fatal(err)
			}
			c, found := readReport(t, string(out))["leaf.pem"]
			if !found || c.Reason != row.want {
				t.Errorf("reason %q (%s), want %q", c.Reason, c.Error, row.want)
			}
			hosts, certs := f.seen()
			if row.want == "" && !slices.Equal(hosts, []string{"ocsp.example:443"}) || certs != 0 {
				t.Errorf("the proxy was asked for %v and shown %d certificates", hosts, certs)
			}
		})
	}
}
