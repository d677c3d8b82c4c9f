package main

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"
)

func newStatusCommand() *cobra.Command {
	var f workFlags
	var output string
	var urls bool
	cmd := &cobra.Command{
		Use:   "status [flags] [PATH...]",
		Short: "Show how each certificate and its staple stand",
		Long: `Show how each certificate and its staple stand, from what is on disk: nobody is
asked and nothing is changed. The last error is what a running restaple, or the
last pass, has noted in the state directory.`,
		Example: `  restaple status /etc/haproxy/certs
  restaple status --config /etc/restaple/restaple.yaml -o json
  restaple status --urls /etc/haproxy/certs`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := checkOutput(output); err != nil {
				return err
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
			if urls {
				return writeEgress(cmd.OutOrStdout(), egressList(certs), output)
			}
			r := newReport(certs, a.Problems(), time.Now())
			r.Answers = countsOf(c)
			if err := r.write(cmd.OutOrStdout(), output); err != nil {
				return err
			}
			if !r.OK {
				return &notOK{}
			}
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&urls, "urls", false, "show the responders instead, as a list for firewall rules: host, port, number of certificates")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "output `format`: text or json")
	return cmd
}
