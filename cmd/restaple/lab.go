package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/lab"
)

const (
	labURL = "http://127.0.0.1:8889/"

	// delegateLifetime of a delegated signer is what public CAs give theirs.
	delegateLifetime = 30 * 24 * time.Hour
)

func newLabCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Run a CA and an OCSP responder that misbehaves when told to",
		Long: `A throwaway CA and an OCSP responder, for drills: what does your staging do when
a certificate is revoked, when the responder is slow, down or talks nonsense?

The lab is a directory. One process serves it; the other commands change what it
says, at once. Its private keys lie in that directory and protect nothing: never
let anything but a test trust its root.`,
		Example: `  restaple lab init ./lab
  restaple lab serve ./lab &
  restaple lab issue ./lab site.test www.site.test
  restaple run --allow 127.0.0.0/8 ./lab/certs &
  restaple lab revoke ./lab site.test --reason keyCompromise
  restaple lab good ./lab site.test
  restaple lab fault ./lab slow=20s
  restaple lab fault ./lab none`,
	}
	cmd.AddCommand(
		newLabInitCommand(), newLabServeCommand(), newLabIssueCommand(), newLabListCommand(),
		newLabRevokeCommand(), newLabForgetCommand(), newLabGoodCommand(), newLabRenewCommand(), newLabFaultCommand(),
	)
	offers := map[string]func(dir string) []string{
		"issue": namesIn, "revoke": namesIn, "forget": namesIn, "good": namesIn, "fault": faultNames,
	}
	for _, c := range cmd.Commands() {
		c.ValidArgsFunction = completeLab(offers[c.Name()])
	}
	return cmd
}

func newLabInitCommand() *cobra.Command {
	var address, keyType string
	var ifMissing bool
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a lab: a root, an intermediate, and no certificates yet",
		Example: `  restaple lab init ./lab
  restaple lab init ./lab --key rsa --url http://ocsp.staging.example:8080/`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if ifMissing {
				if dir, err := lab.Open(args[0]); !errors.Is(err, fs.ErrNotExist) {
					if err == nil {
						fmt.Fprintf(cmd.OutOrStdout(), "there is a lab in %s; its certificates name the responder %s\n", args[0], dir.URL())
					}
					return err
				}
			}
			dir, err := lab.Init(args[0], lab.DirOptions{URL: address, KeyType: lab.KeyType(keyType)})
			if err != nil {
				return fmt.Errorf("make lab: %w", err)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "made a lab in %s; its certificates will name the responder %s\n", args[0], dir.URL())
			fmt.Fprintf(out, "root for clients to trust: %s\n", dir.RootFile())
			fmt.Fprintf(out, "next: restaple lab serve %s\n", args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "url", labURL, "`URL` of the responder, as the certificates say it")
	cmd.Flags().StringVar(&keyType, "key", string(lab.ECDSA), "`type` of the CAs' keys: ecdsa, rsa or ed25519")
	cmd.Flags().BoolVar(&ifMissing, "if-missing", false, "leave a lab that is there already as it is")
	return cmd
}

func newLabServeCommand() *cobra.Command {
	var (
		o                lab.ResponderOptions
		listen           string
		delegated, quiet bool
	)
	cmd := &cobra.Command{
		Use:   "serve DIR",
		Short: "Answer OCSP requests about the lab's certificates",
		Long: `Answer OCSP requests until interrupted, GET and POST, with SHA-1 and SHA-2 CertIDs,
and print each request. The issuer's certificate is at /issuer.cer.`,
		Example: `  restaple lab serve ./lab
  restaple lab serve ./lab --validity 10m --delegated
  openssl ocsp -issuer lab/intermediate.pem -cert lab/certs/site.test.pem -CAfile lab/root.pem -url http://127.0.0.1:8889/`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := lab.Open(args[0])
			if err != nil {
				return err
			}
			o.CA = dir.CA()
			if delegated {
				o.Delegate, err = o.CA.Issue(lab.IssueOptions{
					CommonName: "restaple lab responder", OCSPSigning: true, NoCheck: true,
					Responders: []string{}, NotAfter: time.Now().Add(delegateLifetime),
				})
				if err != nil {
					return err
				}
			}
			var responder *lab.Responder
			if !quiet {
				out := cmd.OutOrStdout()
				o.Observe = func(e lab.Exchange) { printExchange(out, responder, e) }
			}
			if responder, err = lab.NewResponder(o); err != nil {
				return err
			}
			if listen == "" {
				u, err := url.Parse(dir.URL())
				if err != nil {
					return err
				}
				listen = u.Host
				if u.Port() == "" {
					listen = net.JoinHostPort(u.Hostname(), "80")
				}
			}
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("serve lab: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "serving http://%s/\n", listener.Addr())
			return lab.Serve(cmd.Context(), listener, dir.Follow(responder))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "", "`address` to listen on; that of the responder URL if absent")
	flags.DurationVar(&o.Validity, "validity", time.Hour, "time from thisUpdate to nextUpdate")
	flags.DurationVar(&o.Step, "step", 0, "time after which there is a newer response; a quarter of the validity if absent")
	flags.DurationVar(&o.Backdate, "backdate", 0, "how far thisUpdate lies in the past")
	flags.BoolVar(&o.NoNextUpdate, "no-next-update", false, "leave nextUpdate out")
	flags.BoolVar(&o.ByKey, "by-key", false, "identify the signer by its key instead of its name")
	flags.BoolVar(&o.EchoNonce, "nonce", false, "echo nonces")
	flags.BoolVar(&delegated, "delegated", false, "sign with a delegated responder certificate")
	flags.BoolVarP(&quiet, "quiet", "q", false, "do not print requests")
	return cmd
}

func printExchange(out io.Writer, r *lab.Responder, e lab.Exchange) {
	names := make([]string, len(e.Serials))
	for i, serial := range e.Serials {
		names[i] = r.NameOf(serial)
	}
	line := fmt.Sprintf("%s %-4s %s: %s", time.Now().Format(time.TimeOnly), e.Request.Method, strings.Join(names, ", "), e.Answer)
	if e.Fault != "" {
		line += fmt.Sprintf(" (fault %s)", e.Fault)
	}
	fmt.Fprintln(out, line) // one write: lines of concurrent requests do not mix
}

func newLabListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list DIR",
		Short: "List the certificates, what is said of them, and the faults in force",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := lab.Open(args[0])
			if err != nil {
				return err
			}
			state, err := dir.State()
			if err != nil {
				return err
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(out, "NAME\tSERIAL\tSTATUS\tREASON\tFAULT")
			serials := slices.SortedFunc(maps.Keys(state.Records), func(a, b string) int {
				first, second := state.Records[a], state.Records[b]
				return cmp.Or(first.Issued.Compare(second.Issued), strings.Compare(first.Name, second.Name), strings.Compare(a, b))
			})
			for _, serial := range serials {
				r := state.Records[serial]
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", r.Name, serial, r.Status, r.Reason, r.Fault)
			}
			if state.Fault != "" {
				fmt.Fprintf(out, "(all)\t\t\t\t%s\n", state.Fault)
			}
			return out.Flush()
		},
	}
}

func newLabRevokeCommand() *cobra.Command {
	var reason, at string
	cmd := &cobra.Command{
		Use:   "revoke DIR NAME|SERIAL",
		Short: "Say revoked of a certificate",
		Example: `  restaple lab revoke ./lab site.test
  restaple lab revoke ./lab site.test --reason keyCompromise --at 2026-01-02T15:04:05Z`,
		Args: cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "reason, such as keyCompromise or superseded; none if absent")
	cmd.Flags().StringVar(&at, "at", "", "`time` of revocation (RFC 3339); now if absent")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		when := time.Now()
		if at != "" {
			var err error
			if when, err = time.Parse(time.RFC3339, at); err != nil {
				return fmt.Errorf("--at %q: must be like 2026-01-02T15:04:05Z", at)
			}
		}
		return changeRecord(cmd, args, "revoked", func(r *lab.Record) {
			r.Status, r.Reason, r.RevokedAt = lab.Revoked, reason, when.UTC().Truncate(time.Second)
		})
	}
	return cmd
}

func newLabForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forget DIR NAME|SERIAL",
		Short: "Say unknown of a certificate",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRecord(cmd, args, "forgotten", func(r *lab.Record) { r.Status = lab.Unknown })
		},
	}
}

func newLabGoodCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "good DIR NAME|SERIAL",
		Short: "Say good of a certificate again",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeRecord(cmd, args, "good", func(r *lab.Record) {
				*r = lab.Record{Name: r.Name, Issued: r.Issued, Fault: r.Fault, Status: lab.Good}
			})
		},
	}
}

// changeRecord changes one record of the lab args[0], found by args[1].
func changeRecord(cmd *cobra.Command, args []string, done string, change func(*lab.Record)) error {
	return changeLab(args[0], func(s *lab.State) error {
		serial, err := s.Find(args[1])
		if err != nil {
			return err
		}
		r := s.Records[serial]
		change(&r)
		if err := r.Check(); err != nil {
			return err
		}
		s.Records[serial] = r
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, serial %s\n", done, r.Name, serial)
		return nil
	})
}

func changeLab(path string, change func(*lab.State) error) error {
	dir, err := lab.Open(path)
	if err != nil {
		return err
	}
	return dir.Update(change)
}

func newLabRenewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "renew DIR",
		Short: "Sign every response anew, before its time",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return changeLab(args[0], func(s *lab.State) error {
				s.Epoch++
				return nil
			})
		},
	}
}

func newLabFaultCommand() *cobra.Command {
	var cert string
	cmd := &cobra.Command{
		Use:   "fault DIR FAULT|none",
		Short: "Misbehave, for all certificates or for one",
		Long:  "Misbehave until told otherwise, for all certificates or for one. FAULT is one of:\n\n" + faultList(),
		Example: `  restaple lab fault ./lab 503=120
  restaple lab fault ./lab hang --cert site.test
  restaple lab fault ./lab none`,
		Args: cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&cert, "cert", "", "only for the certificate with this `name or serial`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		fault := lab.Fault(args[1])
		if fault == "none" {
			fault = ""
		}
		if err := fault.Check(); err != nil {
			return &hinted{err, "restaple lab fault --help lists them"}
		}
		if cert != "" {
			return changeRecord(cmd, []string{args[0], cert}, "fault "+args[1], func(r *lab.Record) { r.Fault = fault })
		}
		return changeLab(args[0], func(s *lab.State) error {
			s.Fault = fault
			fmt.Fprintf(cmd.OutOrStdout(), "fault %s: all certificates\n", args[1])
			return nil
		})
	}
	return cmd
}

func faultList() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range lab.Faults() {
		name := f.Name
		if f.Parameter != "" {
			name += "=" + f.Parameter
		}
		fmt.Fprintf(w, "  %s\t%s\n", name, f.About)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return strings.TrimRight(b.String(), "\n")
}
