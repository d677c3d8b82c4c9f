package profile

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// requireProgram returns the path of a program, or skips the test. It fails
// where RESTAPLE_TEST_REQUIRE names the program.
func requireProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if path = filepath.Join("/usr/sbin", name); exists(path) {
		return path
	}
	if required(name) {
		t.Fatalf("%s is not installed, and RESTAPLE_TEST_REQUIRE names it", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// required reports whether RESTAPLE_TEST_REQUIRE names the program.
func required(name string) bool {
	return slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), name)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// stapling serves a response as it is until the test is over, and answers
// whatever it is asked over HTTP.
func stapling(t *testing.T, cert tls.Certificate, newest uint16) (port string) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: newest})
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
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				if _, err := conn.Read(make([]byte, 4096)); err == nil {
					_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
				}
			}()
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestClientsReactAsForeseen asks the clients themselves.
func TestClientsReactAsForeseen(t *testing.T) {
	pki := newPKI(t)
	ca := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(ca, pki.Root.CertPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	commands := map[string]struct {
		program string
		args    func(port string) []string
	}{
		"gnutls": {"gnutls-cli", func(port string) []string {
			return []string{"--x509cafile", ca, "--port", port, "localhost"}
		}},
		"curl": {"curl", func(port string) []string {
			return []string{"-sS", "--cert-status", "--cacert", ca, "--noproxy", "*", "-o", "/dev/null", "https://localhost:" + port + "/"}
		}},
		"openssl": {"openssl", func(port string) []string {
			return []string{"s_client", "-connect", "127.0.0.1:" + port, "-servername", "localhost", "-status", "-CAfile", ca, "-verify_return_error", "-quiet", "-no_ign_eof"}
		}},
	}
	all := samples(t, pki, time.Now().Truncate(time.Second))
	for name, command := range commands {
		t.Run(name, func(t *testing.T) {
			program := requireProgram(t, command.program)
			readers, err := ReadersByName([]string{name})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range all {
				if s.trait == blank {
					continue // no server can send it
				}
				want := readers[0].Foresee(TraitsOf(s.der, s.chain(t), time.Now()))
				version := uint16(tls.VersionTLS13)
				if s.trait == over16K {
					version = tls.VersionTLS12 // OpenSSL takes it in TLS 1.3
				}
				cert := s.issued.TLS(s.der)
				cmd := exec.CommandContext(t.Context(), program, command.args(stapling(t, cert, version))...)
				out, err := cmd.CombinedOutput()
				if refused := err != nil; refused != (want.Does == Refuses) {
					t.Errorf("%s: %v, want that it %s (%s)\n%s", s.trait, err, want.Does, want.Detail, out)
				}
			}
		})
	}
}
