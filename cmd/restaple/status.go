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
asked and nothing is changed. The last error is what a running restaple, or the
last pass, has noted in the state directory. With --agent a running restaple is
asked instead, at the address of its admin listener.`,
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
			return r.show(cmd.OutOrStdout(), urls, output)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&ask, "agent", "", "ask the running restaple whose admin listener is at this `address`: unix:/path or host:port")
	cmd.Flags().BoolVar(&urls, "urls", false, "show the responders instead, as a list for firewall rules: host, port, number of certificates")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "output `format`: text or json")
	return cmd
}

// statusOfAgent asks a running restaple.
func statusOfAgent(cmd *cobra.Command, address string, urls bool, output string) error {
	r, err := admin.FetchStatus(cmd.Context(), address)
	if err != nil {
		return &notOK{err.Error()}
	}
	return report{Report: *r}.show(cmd.OutOrStdout(), urls, output)
}

// show prints the report, or the responders in it, and says by its error
// whether all is well.
func (r report) show(w io.Writer, urls bool, output string) error {
	if urls {
		return writeEgress(w, egressList(r.Certificates), output)
	}
	if err := r.write(w, output); err != nil {
		return err
	}
	if !r.OK {
		return &notOK{}
	}
	return nil
}
