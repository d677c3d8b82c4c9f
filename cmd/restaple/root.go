package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

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
		SilenceErrors: true,
		SilenceUsage:  true,
	}
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
	return root
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "restaple %s %s %s/%s\n", versionString(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
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
