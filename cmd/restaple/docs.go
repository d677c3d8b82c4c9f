package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// newDocsCommand is for those who build packages.
func newDocsCommand() *cobra.Command {
	parent := &cobra.Command{
		Use:    "docs",
		Short:  "Write documentation of the commands",
		Hidden: true,
	}
	parent.AddCommand(&cobra.Command{
		Use:   "man DIR",
		Short: "Write manual pages into a directory",
		Long: `Write a manual page for each command into a directory. They are dated by
SOURCE_DATE_EPOCH, if it is set.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := sourceDate()
			if err != nil {
				return err
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			return writeManuals(root, args[0], date)
		},
	})
	return parent
}

// sourceDate is the date of what is built
// (https://reproducible-builds.org/specs/source-date-epoch/), or now.
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// writeManuals writes a page for each command that has something to say for
// itself.
func writeManuals(cmd *cobra.Command, dir string, date time.Time) error {
	cmd.InitDefaultHelpFlag()
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(manual(cmd, date)), 0o644); err != nil {
		return err
	}
	for _, child := range documented(cmd) {
		if err := writeManuals(child, dir, date); err != nil {
			return err
		}
	}
	return nil
}

// documented returns the commands below cmd that users are to know.
func documented(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			out = append(out, c)
		}
	}
	return out
}
