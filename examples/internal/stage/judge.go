package stage

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// judge has openssl say what it thinks of what is served, and of the file. A
// handshake that the example allows to fail is made once more.
func (p *play) judge(i int) {
	p.T.Helper()
	s, c, leaf := p.Stage, p.client(i), p.issued[i].Certificate
	root, issuer, cert := "/etc/judge/root.pem", "/etc/judge/issuer.pem", "/etc/judge/leaf.pem"
	s.Write(root, s.PKI.Root.CertPEM(), 0o644)
	s.Write(issuer, s.PKI.Intermediate.CertPEM(), 0o644)
	s.Write(cert, lab.KeyPair{Certificate: leaf}.CertPEM(), 0o644)

	suite := "ECDHE-ECDSA-AES128-GCM-SHA256"
	if c.Type == lab.RSA {
		suite = "ECDHE-RSA-AES128-GCM-SHA256"
	}
	args := []string{"s_client", "-connect", c.Address, "-servername", Name, "-CAfile", s.Path(root),
		"-verify_return_error", "-status"}
	if !c.Only {
		args = append(args, "-tls1_2", "-cipher", suite)
	}
	if c.SMTP {
		args = append(args, "-starttls", "smtp")
	}
	want := []string{"OCSP Response Status: successful (0x0)", "Cert Status: good", "Verify return code: 0 (ok)",
		fmt.Sprintf("Serial Number: %s", lab.SerialText(leaf.SerialNumber))}
	err := s.wants(want, args...)
	for begun := time.Now(); err != nil && time.Since(begun) < p.Gap; {
		err = s.wants(want, args...)
	}
	if err == nil {
		err = s.wants([]string{"Response verify OK", ": good"}, "ocsp", "-respin", p.staple(p.Certificates[i]), "-no_nonce",
			"-CAfile", s.Path(root), "-issuer", s.Path(issuer), "-cert", s.Path(cert))
	}
	if err != nil {
		p.T.Error(err)
	}
}

// check has `restaple check` look at what is served and at the file.
func (p *play) check() {
	p.T.Helper()
	args := []string{"check", "--config", p.Path(configPath), "--connect", p.address, "--servername", Name}
	if p.SMTP {
		args = append(args, "--starttls", "smtp")
	}
	if said, code := p.Run(p.binary(), args...); code != 0 {
		p.T.Errorf("restaple %s: got exit code %d\n%s", strings.Join(args, " "), code, said)
	}
}

// wants runs openssl, and returns an error if it says anything else.
func (s *Stage) wants(want []string, args ...string) error {
	s.T.Helper()
	said, _ := s.Run("openssl", args...) // its exit code says less
	for _, w := range want {
		if !strings.Contains(said, w) {
			return fmt.Errorf("openssl %s: got no %q in\n%s", args[0], w, said)
		}
	}
	return nil
}

// onDisk reads a staple file; nil if there is none.
func (s *Stage) onDisk(staple string) []byte {
	der, err := os.ReadFile(staple)
	if err != nil {
		return nil
	}
	return der
}
