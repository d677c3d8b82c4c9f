package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/lab"
)

func newLabIssueCommand() *cobra.Command {
	var (
		o        lab.ManyOptions
		keyType  string
		lifetime time.Duration
		out      string
		noOCSP   bool
	)
	cmd := &cobra.Command{
		Use:   "issue DIR NAME...",
		Short: "Issue a certificate for one or more names, or many at once",
		Long: `Issue a certificate for one or more names or addresses. The chain is written to
a file and the key beside it, with the ending .key; with --bundle both go into one
file. To renew a certificate, issue it again: the files are replaced.

With --count there are many, for trying what a pass over so many costs: the first
name gets a number in front, and --out is a directory. --shared-key gives all of
them one key, in one file: ten thousand then take seconds, whatever the type.`,
		Example: `  restaple lab issue ./lab site.test www.site.test 127.0.0.1
  restaple lab issue ./lab site.test --must-staple --out /etc/nginx/tls/site.pem
  restaple lab issue ./lab site.test --key rsa --bundle --out /etc/haproxy/certs/site.pem
  restaple lab issue ./lab site.test --count 10000 --shared-key --out ./many`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := lab.Open(args[0])
			if err != nil {
				return err
			}
			if lifetime <= 0 {
				return fmt.Errorf("--lifetime %v: must be more than nothing", lifetime)
			}
			o.Names, o.KeyType, o.NotAfter = args[1:], lab.KeyType(keyType), time.Now().Add(lifetime)
			if noOCSP {
				o.Responders = []string{}
			}
			if cmd.Flags().Changed("count") {
				o.Dir = out
				return issueMany(cmd, dir, o)
			}
			if o.SharedKey {
				return fmt.Errorf("--shared-key: goes with --count")
			}
			return issueOne(cmd, dir, o, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&keyType, "key", string(lab.ECDSA), "`type` of the key: ecdsa, rsa or ed25519")
	flags.DurationVar(&lifetime, "lifetime", 90*24*time.Hour, "how long the certificate is valid")
	flags.BoolVar(&o.MustStaple, "must-staple", false, "have the certificate demand a staple (RFC 7633)")
	flags.StringArrayVar(&o.Responders, "responder", nil, "responder `URL` instead of the lab's; may be repeated")
	flags.BoolVar(&noOCSP, "no-ocsp", false, "name no responder")
	flags.StringVar(&out, "out", "", "`file` for the chain, with --count a directory; in the lab if absent")
	flags.BoolVar(&o.Bundle, "bundle", false, "put the key into the same file")
	flags.IntVar(&o.Count, "count", 0, "issue this `number` of certificates")
	flags.BoolVar(&o.SharedKey, "shared-key", false, "one key for all of them")
	cmd.MarkFlagsMutuallyExclusive("responder", "no-ocsp")
	return cmd
}

func issueOne(cmd *cobra.Command, dir *lab.Dir, o lab.ManyOptions, out string) error {
	// First, or a certificate that nobody has would be on record.
	out, err := dir.File(o.Names[0], out)
	if err != nil {
		return err
	}
	issued, err := dir.Issue(o.IssueOptions)
	if err != nil {
		return err
	}
	files, err := dir.Write(issued, out, o.Bundle)
	if err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "issued %s, serial %s: %s\n",
		o.Names[0], lab.SerialText(issued.Certificate.SerialNumber), strings.Join(files, ", "))
	return err
}

func issueMany(cmd *cobra.Command, dir *lab.Dir, o lab.ManyOptions) error {
	many, err := dir.IssueMany(o)
	if err != nil {
		return fmt.Errorf("issue %d certificates: %w", o.Count, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "issued %d certificates, %s to %s: %s\n", o.Count, many.First, many.Last, many.Dir)
	return err
}
