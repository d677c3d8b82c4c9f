package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/config"
)

func newConfigCommand() *cobra.Command {
	parent := &cobra.Command{
		Use:   "config",
		Short: "Work with the configuration",
	}
	parent.AddCommand(&cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong with a configuration file",
		Long: `Read a configuration file (default ` + defaultConfig + `) and say everything that is
wrong with it, one line each with file, line and key. Paths that lead to no
certificate now are warned of: something may come yet. Nothing is started.`,
		Example: "  restaple config check /etc/restaple/restaple.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := defaultConfig
			if len(args) > 0 {
				file = args[0]
			}
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			s, err := assemble(c, nil, slog.New(slog.DiscardHandler))
			if _, said := errors.AsType[config.Problems](err); said {
				return err
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			defer s.client.Close()
			s.options.LookOnly = true
			if _, err := s.start(); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			empty, err := emptyPaths(cmd.Context(), c)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			verdict := "good"
			if len(empty) > 0 {
				verdict = "good, but see the warnings"
				fmt.Fprintln(cmd.OutOrStdout(), empty)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", file, verdict)
			return nil
		},
	})
	return parent
}
