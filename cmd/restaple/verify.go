package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/watcher/chain"
)

type verifyFlags struct {
	cert, issuer, response, at, output string
	strict                             bool
	readers                            []string
}

func newVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify --cert LEAF.pem [--issuer ISSUER.pem] --response FILE",
		Short: "Verify an OCSP response for a certificate, offline",
		Long: `Verify an OCSP response (DER) by the rules that restaple goes by before it
places a staple. The first line says the result: good and until when, or the
reason why the response is no staple.

With --for it also says what servers would do with a file that holds the
response, and what clients would do if it were stapled: serves, ignores or
fails; accepts, ignores or refuses. What they do was measured; Firefox's and
Envoy's ways are known from their source, Chromium's from its developers. The
exit code is about the response alone.

Servers and clients: ` + strings.Join(profile.ReaderNames(), ", ") + `.`,
		Example: `  restaple verify --cert site.pem --response site.pem.ocsp
  restaple verify --cert leaf.pem --issuer ca.pem --response answer.der --at 2026-01-02T15:04:05Z
  restaple verify --cert site.pem --response site.pem.ocsp --for haproxy,firefox`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return verify(cmd.OutOrStdout(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.cert, "cert", "", "certificate `file`, PEM or DER; may hold the chain")
	flags.StringVar(&f.issuer, "issuer", "", "issuer certificate `file`; if absent it is looked for as the agent does")
	flags.StringVar(&f.response, "response", "", "OCSP response `file`, DER")
	flags.StringVar(&f.at, "at", "", "verify as of this `time` (RFC 3339) instead of now")
	flags.BoolVar(&f.strict, "strict", false, "refuse SHA-1 signatures")
	flags.StringSliceVar(&f.readers, "for", nil, "say what these servers and clients would do with it: comma-separated `names`, or all")
	flags.StringVarP(&f.output, "output", "o", "text", "output `format`: text or json")
	for _, name := range []string{"cert", "response"} {
		_ = cmd.MarkFlagRequired(name) // fails only for a flag that does not exist
	}
	return cmd
}

func verify(w io.Writer, f verifyFlags) error {
	now := time.Now()
	if f.at != "" {
		at, err := time.Parse(time.RFC3339, f.at)
		if err != nil {
			return fmt.Errorf("--at %q is not a time like 2026-01-02T15:04:05Z", f.at)
		}
		now = at
	}
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("--output %q is not text or json", f.output)
	}
	readers, err := profile.ReadersByName(f.readers)
	if err != nil {
		return fmt.Errorf("--for: %w", err)
	}
	c, err := chainOf(f.cert, f.issuer, now)
	if err != nil {
		return err
	}
	der, err := readResponse(f.response)
	if err != nil {
		return err
	}
	v := judge(der, c, now, staple.Options{Strict: f.strict})
	v.For, v.asked = foresee(readers, der, c, now), len(readers)
	if f.output == "json" {
		err = json.NewEncoder(w).Encode(v)
	} else {
		err = v.print(w)
	}
	if err == nil && !v.OK {
		err = &notOK{}
	}
	return err
}

// readResponse reads one octet more than a staple may have, so that what is
// larger is refused as such.
func readResponse(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, staple.MaxSize+1))
}

// chainOf reads the leaf and its issuer. A user who names an issuer means it:
// then nothing is looked for elsewhere.
func chainOf(certPath, issuerPath string, now time.Time) (*chain.Chain, error) {
	if issuerPath == "" {
		c, err := chain.NewLoader(chain.LoaderOptions{}).Load(certPath)
		if err != nil {
			return nil, err
		}
		if c.Issuer == nil {
			return nil, &hinted{fmt.Errorf("%s: no issuer found: %w", certPath, c.IssuerErr), "name it with --issuer FILE"}
		}
		return c, nil
	}
	leaf, err := leafIn(certPath)
	if err != nil {
		return nil, err
	}
	issuers, err := readCertificates(issuerPath)
	signer := chain.FindIssuer(leaf, issuers, now)
	if signer == nil && err != nil {
		return nil, err // perhaps just that one was the issuer
	}
	l, err := chain.NewLeaf(leaf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certPath, err)
	}
	c := &chain.Chain{Leaf: l}
	if signer == nil {
		c.IssuerErr = chain.WhyNoIssuer(leaf, issuers)
	} else {
		if c.Issuer, err = chain.NewIssuer(signer); err != nil {
			return nil, fmt.Errorf("%s: %w", issuerPath, err)
		}
	}
	return c, nil
}

// leafIn reads the certificate that the agent would take for the leaf, or the
// first one if all are CAs: a response may be about those too.
func leafIn(path string) (*x509.Certificate, error) {
	certs, broken := readCertificates(path)
	if len(certs) == 0 {
		return nil, broken
	}
	c, err := chain.FromCertificates(certs)
	switch {
	case errors.Is(err, chain.ErrNotChain) && broken != nil:
		return nil, broken // perhaps just that one was the leaf
	case errors.Is(err, chain.ErrNotChain):
		return certs[0], nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	i := slices.IndexFunc(certs, func(cert *x509.Certificate) bool { return sha256.Sum256(cert.Raw) == c.Leaf.Fingerprint })
	return certs[i], nil
}

// readCertificates returns the certificates that can be read even if there are
// others that cannot, together with the error.
func readCertificates(path string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	certs, err := chain.Parse(b)
	clear(b) // it may have held a private key
	if err == nil && len(certs) == 0 {
		err = errors.New("no certificate in it")
	}
	if err != nil {
		return certs, fmt.Errorf("%s: %w", path, err)
	}
	return certs, nil
}
