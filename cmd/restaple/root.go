package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set when a release is built: -ldflags "-X main.version=1.2.3".
var version string

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "restaple",
		Short: "Keep OCSP staples fresh on disk for nginx, HAProxy and other TLS servers",
		Long: `Restaple discovers certificates on disk, asks the CA's OCSP responder about
each of them, verifies the answer, replaces the staple file beside the
certificate atomically, and tells the server.

Exit codes: 0 all is well, 1 a staple is missing, ended, revoked or not as it
should be, 2 the command line or the configuration is wrong.`,
		Example: `  restaple run /etc/haproxy/certs
  restaple refresh --server nginx --hook 'nginx -s reload' /etc/nginx/tls
  restaple status /etc/haproxy/certs
  restaple demo`,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &hinted{err, cmd.CommandPath() + " --help lists the flags"}
	})
	root.AddCommand(
		newRunCommand(),
		newRefreshCommand(),
		newStatusCommand(),
		newCheckCommand(),
		newVerifyCommand(),
		newPurgeCommand(),
		newConfigCommand(),
		newLabCommand(),
		newDemoCommand(),
		newVersionCommand(),
		newDocsCommand(),
	)
	sayUsage(root)
	completeFlags(root)
	return root
}

// sayUsage has cmd and all below it say how they are used, if they are used
// otherwise.
func sayUsage(cmd *cobra.Command) {
	if cmd.Runnable() {
		check := cmd.Args
		if check == nil {
			check = cobra.ArbitraryArgs
		}
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil {
				err = cmd.ValidateRequiredFlags()
			}
			if err != nil {
				return &hinted{err, "usage: " + cmd.UseLine()}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		sayUsage(c)
	}
}

// unknownCommand finds a word that should be a command and is none. The library
// looks at the first one only; for others it shows the help, and all seems well.
func unknownCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	cmd, rest, _ := root.Find(args)
	if cmd.Runnable() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") || strings.HasPrefix(rest[0], "__") {
		return nil
	}
	hint := cmd.CommandPath() + " --help lists the commands"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(rest[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return &hinted{fmt.Errorf("%q is no command of %s", rest[0], cmd.CommandPath()), hint}
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), versionLine())
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("restaple %s %s %s/%s", versionString(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// versionString is the release, or what the Go command noted of the source.
func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
