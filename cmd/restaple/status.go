package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/admin"
)

func newStatusCommand() *cobra.Command {
	var f workFlags
	var output string
	var urls bool
	var ask string
	cmd := &cobra.Command{
		Use:   "status [flags] [PATH...]",
		Short: "Show how each certificate and its staple stand",
		Long: `Show how each certificate and its staple stand, from what is on disk: nobody is
asked and nothing is changed. The last error, after its time, is what a running
restaple, or the last pass, has noted in the state directory. With --agent a running restaple is
asked instead, at the address of its admin listener.

With --urls it is a list for firewall rules: the hosts that are really asked, with
what the configuration has asked instead, and the issuers' of certificates whose
issuer is missing. Behind a proxy, VIA says which, and the proxy has a line of its
own; the other lines are then for the proxy's rules. A responder may redirect to
yet another host, which cannot be known before it does.`,
		Example: `  restaple status /etc/haproxy/certs
  restaple status --config /etc/restaple/restaple.yaml -o json
  restaple status --urls /etc/haproxy/certs`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if ask != "" {
				return statusOfAgent(cmd, ask, urls, output)
			}
			c, only, err := f.load(paths)
			if err != nil {
				return err
			}
			if c.StateDir == "" {
				c.StateDir = usualStateDir()
			}
			s, err := assemble(c, only, slog.New(slog.DiscardHandler)) // the table says it all
			if err != nil {
				return err
			}
			defer s.client.Close()
			s.options.LookOnly = true
			a, err := s.start()
			if err != nil {
				return err
			}
			certs, err := a.RunOnce(cmd.Context())
			if err != nil {
				return &notOK{err.Error()}
			}
			r := newReport(certs, a.Problems(), time.Now())
			r.Answers = countsOf(c)
			if urls {
				return writeEgress(cmd.OutOrStdout(), egressList(certs, s.answers.asks()), output)
			}
			return r.show(cmd.OutOrStdout(), output)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&ask, "agent", "", "ask the running restaple whose admin listener is at this `address`: unix:/path or host:port")
	cmd.Flags().BoolVar(&urls, "urls", false, "show who is asked instead, as a list for firewall rules: host, port, number of certificates")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "output `format`: text or json")
	return cmd
}

// statusOfAgent asks a running restaple.
func statusOfAgent(cmd *cobra.Command, address string, urls bool, output string) error {
	r, err := admin.FetchStatus(cmd.Context(), address)
	if err != nil {
		return &notOK{err.Error()}
	}
	if urls {
		return writeEgress(cmd.OutOrStdout(), egressList(r.Certificates, r.Asks), output)
	}
	return report{Report: *r}.show(cmd.OutOrStdout(), output)
}

// show prints the report, and says by its error whether all is well.
func (r report) show(w io.Writer, output string) error {
	if err := r.write(w, output); err != nil {
		return err
	}
	if !r.OK {
		return &notOK{}
	}
	return nil
}
