package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/profile"
)

// valuesOf are what a shell offers for flags that take a word of a few.
func valuesOf() map[string][]string {
	return map[string][]string{
		"server":     profile.Names(),
		"for":        append(profile.ReaderNames(), "all"),
		"output":     {"text", "json"},
		"log-format": {config.FormatText, config.FormatJSON},
		"log-level":  {"debug", "info", "warn", "error"},
		"key":        {string(lab.ECDSA), string(lab.RSA), string(lab.Ed25519)},
		"key-type":   {"rsa", "ecdsa"},
		"starttls":   {"smtp"},
		"reason":     slices.DeleteFunc(lab.Reasons(), func(r string) bool { return r == "" }),
	}
}

// completeFlags has cmd and all below it offer the values of their flags.
func completeFlags(cmd *cobra.Command) {
	for name, values := range valuesOf() {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
		}
	}
	for _, name := range []string{"state-dir", "issuers"} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.MarkFlagDirname(name)
		}
	}
	for _, c := range cmd.Commands() {
		completeFlags(c)
	}
}

// completeLab offers a directory for the first word and what offer knows of it
// for the second.
func completeLab(offer func(dir string) []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return nil, cobra.ShellCompDirectiveFilterDirs
		case len(args) == 1 && offer != nil:
			return offer(args[0]), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// namesIn are the names of a lab's certificates.
func namesIn(path string) []string {
	dir, err := lab.Open(path)
	if err != nil {
		return nil
	}
	state, err := dir.State()
	if err != nil {
		return nil
	}
	names := make(map[string]bool)
	for _, r := range state.Records {
		names[r.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func faultNames(string) []string {
	names := []string{"none"}
	for _, f := range lab.Faults() {
		names = append(names, f.Name)
	}
	return names
}
