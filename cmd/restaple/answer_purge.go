package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/answer"
	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/watcher/chain"
)

func newPurgeCommand() *cobra.Command {
	var file, stateDir string
	cmd := &cobra.Command{
		Use:   "purge [flags] CERT|SERIAL...",
		Short: "Forget answers that were kept for servers and clients",
		Long: `Forget what restaple has kept about certificates to answer OCSP requests (listen
and answer_for in the configuration): all of it about a certificate file, or
about a serial in hexadecimal digits. A running restaple asks the responder anew
when it is next asked. Staples beside certificates are not touched; renew those
with restaple refresh --force.`,
		Example: `  restaple purge /etc/apache2/tls/site.pem
  restaple purge 4F:00:1C:9A
  restaple purge "$(openssl x509 -noout -serial -in site.pem)"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := answersDir(file, stateDir)
			if err != nil {
				return err
			}
			for _, arg := range args {
				if err := purge(cmd.OutOrStdout(), dir, arg); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file` that names the state directory (default "+defaultConfig+", if it is there)")
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "`directory` of the restaple that answers (default as with run)")
	return cmd
}

// answersDir finds the state directory.
func answersDir(file, stateDir string) (string, error) {
	if stateDir != "" {
		return stateDir, nil
	}
	named := file != ""
	if !named {
		file = defaultConfig
	}
	c, err := config.Load(file)
	switch {
	case !named && errors.Is(err, fs.ErrNotExist):
		return usualStateDir(), nil
	case err != nil:
		return "", err
	case c.StateDir == "":
		return usualStateDir(), nil
	}
	return c.StateDir, nil
}

// purge forgets what is kept about a certificate file or a serial.
func purge(out io.Writer, dir, arg string) error {
	var issuer *chain.Issuer
	var serials []string
	if _, err := os.Stat(arg); err == nil {
		c, err := chain.NewLoader(chain.LoaderOptions{}).Load(arg)
		if err != nil {
			return err
		}
		issuer, serials = c.Issuer, []string{c.Leaf.Serial}
	} else if serials = serialsOf(arg); serials == nil {
		return &hinted{fmt.Errorf("%s is neither a file nor a serial", arg), "a serial is in hexadecimal digits, such as 4F:00:1C:9A"}
	}
	n := 0
	for _, serial := range serials {
		m, err := answer.Purge(dir, issuer, serial)
		if n += m; err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s: %s forgotten\n", arg, plural(n, "answer"))
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// serialsOf returns the octets that a serial, as people and programs write it,
// may have in a certificate: with a sign octet and without. It is nil if it is
// none.
func serialsOf(s string) []string {
	s = strings.ToLower(strings.TrimSpace(s))
	s = strings.TrimPrefix(strings.TrimPrefix(s, "serial="), "0x")
	s = strings.ReplaceAll(s, ":", "")
	if len(s)%2 == 1 {
		s = "0" + s
	}
	octets, err := hex.DecodeString(s)
	if err != nil || len(octets) == 0 {
		return nil
	}
	for len(octets) > 1 && octets[0] == 0 {
		octets = octets[1:]
	}
	return []string{string(octets), "\x00" + string(octets)}
}
