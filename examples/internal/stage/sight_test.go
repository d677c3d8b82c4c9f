package stage

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// TestSightsAreJudged makes sure that nothing passes for a good staple: all
// examples rely on it.
func TestSightsAreJudged(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	pki, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := lab.NewPKI(lab.PKIOptions{Name: "another"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, sibling := issue(t, pki.Intermediate), issue(t, pki.Intermediate)
	stranger, err := other.Intermediate.Issue(lab.IssueOptions{Names: []string{Name}, Serial: leaf.Certificate.SerialNumber})
	if err != nil {
		t.Fatal(err)
	}
	vouch := func(ca *lab.CA, of *lab.Issued, from, until time.Duration, change func(*lab.Response)) []byte {
		r := ca.Vouch(of.Certificate, now.Add(from), now.Add(until))
		if change != nil {
			change(&r)
		}
		der, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	for _, row := range []struct {
		name   string
		staple []byte
		want   Kind
	}{
		{"none", nil, None},
		{"placeholder", []byte{0x30, 0x03, 0x0a, 0x01, 0x03}, TryLater},
		{"good", vouch(pki.Intermediate, leaf, -time.Hour, time.Hour, nil), Good},
		{"expired", vouch(pki.Intermediate, leaf, -time.Hour, -2*time.Second, nil), Expired},
		{"of tomorrow", vouch(pki.Intermediate, leaf, time.Hour, 2*time.Hour, nil), Wrong},
		{"revoked", vouch(pki.Intermediate, leaf, -time.Hour, time.Hour, func(r *lab.Response) { r.Singles[0].Status = lab.Revoked }), Revoked},
		{"unknown", vouch(pki.Intermediate, leaf, -time.Hour, time.Hour, func(r *lab.Response) { r.Singles[0].Status = lab.Unknown }), Wrong},
		{"of a sibling", vouch(pki.Intermediate, sibling, -time.Hour, time.Hour, nil), Wrong},
		{"of another CA, same serial", vouch(other.Intermediate, stranger, -time.Hour, time.Hour, nil), Wrong},
		{"empty file", []byte{0x30, 0x00}, Wrong},
	} {
		t.Run(row.name, func(t *testing.T) {
			sight, err := Client{Address: serveTLS(t, leaf.TLS(row.staple)), Roots: pool(pki), Type: lab.ECDSA}.Look()
			if err != nil {
				t.Fatal(err)
			}
			if sight.Kind != row.want || !sight.Leaf.Equal(leaf.Certificate) {
				t.Errorf("got %v, want %s", sight, row.want)
			}
		})
	}
	t.Run("key type", func(t *testing.T) {
		if sight, err := (Client{Address: serveTLS(t, leaf.TLS(nil)), Roots: pool(pki), Type: lab.RSA}).Look(); err == nil {
			t.Errorf("asked for RSA, got %v", sight)
		}
	})
	t.Run("another CA", func(t *testing.T) {
		if sight, err := (Client{Address: serveTLS(t, leaf.TLS(nil)), Roots: pool(other), Type: lab.ECDSA}).Look(); err == nil {
			t.Errorf("trusts another CA, got %v", sight)
		}
	})
}

func TestInstalledFilesStayOnTheStage(t *testing.T) {
	s := New(t)
	file := s.Path("/example.conf")
	const text = "cert = \"/etc/x/a.pem\" [/run/x.pid,/var/log/x] crt=/srv/www; /usr/share/x a/etc/b\nlisten 443\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Install(file, "/etc/x/x.conf", "443", "4430")
	got, err := os.ReadFile(s.Path("/etc/x/x.conf"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(
		"cert = \"ROOT/etc/x/a.pem\" [ROOT/run/x.pid,ROOT/var/log/x] crt=ROOT/srv/www; /usr/share/x a/etc/b\nlisten 4430\n", "ROOT", s.Root)
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func issue(t *testing.T, ca *lab.CA) *lab.Issued {
	t.Helper()
	issued, err := ca.Issue(lab.IssueOptions{Names: []string{Name}})
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func pool(pki *lab.PKI) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(pki.Root.Certificate)
	return p
}

// serveTLS serves a certificate with its staple, whatever that is.
func serveTLS(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handshake(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return l.Addr().String()
}

func handshake(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(lookTime))
	_ = conn.(*tls.Conn).Handshake() // the client judges
}
