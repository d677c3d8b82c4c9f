package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/staple"
)

type checkFlags struct {
	work                                   workFlags
	connect, servername, starttls, keyType string
	issuer, output                         string
	strict                                 bool
	timeout                                time.Duration
}

func newCheckCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check --connect HOST:PORT [flags] [PATH...]",
		Short: "Ask a TLS server for its staple and prove that it is the one on disk",
		Long: `Make a TLS handshake that asks for the staple, as a client does, and say what
the server serves: the status, its times and who signed it. The staple is
verified by the rules that restaple goes by before it places one, against the
chain that the server presents. Whether that chain itself is to be trusted is
not looked at; that the certificate has expired, or is for another name than was
asked for, is a warning.

If the staple's file is known, what is served has to be what is on disk. The
file is named with --staple, or found by the certificate that the server
presents among the certificates of PATH or --config. Without any of them
` + defaultConfig + ` is looked at, if it is there.

Exit codes: 0 a good staple is served, the one on disk if that is known, or the
certificate names no responder and there is nothing to serve; 1 anything else: no
staple, another one than on disk, one that is expired, revoked or about
another certificate, or a server that cannot be reached; 2 the command line or
the configuration is wrong.`,
		Example: `  restaple check --connect www.example:443
  restaple check --connect 127.0.0.1:443 --servername www.example /etc/nginx/tls
  restaple check --connect mx.example:25 --starttls smtp --staple /var/lib/restaple/mx.ocsp
  restaple check --connect www.example:443 --key-type rsa -o json`,
		RunE: func(cmd *cobra.Command, paths []string) error { return check(cmd, f, paths) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.connect, "connect", "", "`address` of the server: HOST:PORT")
	flags.StringVar(&f.servername, "servername", "", "server `name` to ask for (SNI) if it is not the host")
	flags.StringVar(&f.starttls, "starttls", "", "`protocol` that turns to TLS when asked: smtp")
	flags.StringVar(&f.keyType, "key-type", "", "ask for the certificate with this `kind` of key, rsa or ecdsa, of a server that has both (by TLS 1.2)")
	flags.StringVar(&f.issuer, "issuer", "", "issuer certificate `file`, for a server that presents the leaf alone")
	flags.StringVar(&f.work.staple, "staple", "", "staple `file` on disk; with PATH or --config: the template of its path")
	flags.StringVarP(&f.work.config, "config", "c", "", "configuration `file` with the certificates (default "+defaultConfig+" if it is there)")
	flags.StringVar(&f.work.server, "server", "", "the server that reads the staples, if PATH is given")
	flags.BoolVarP(&f.work.recursive, "recursive", "r", false, "look into the directories below PATH too")
	flags.BoolVar(&f.strict, "strict", false, "refuse SHA-1 signatures")
	flags.DurationVar(&f.timeout, "timeout", prove.DefaultTimeout, "how long the handshake may take")
	flags.StringVarP(&f.output, "output", "o", "text", "output `format`: text or json")
	_ = cmd.MarkFlagRequired("connect") // fails only for a flag that does not exist
	return cmd
}

func check(cmd *cobra.Command, f checkFlags, paths []string) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	find, err := f.finder(paths)
	if err != nil {
		return err
	}
	r, err := look(cmd.Context(), o, find)
	if err != nil {
		return err
	}
	if f.output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		err = r.print(cmd.OutOrStdout())
	}
	if err == nil && !r.OK {
		err = &notOK{}
		if r.hint != "" {
			err = &hinted{err, r.hint}
		}
	}
	return err
}

// options reads the flags about the server.
func (f *checkFlags) options() (prove.Options, error) {
	o := prove.Options{KeyType: f.keyType, Timeout: f.timeout, Verify: staple.Options{Strict: f.strict}}
	var err error
	if o.Address, err = f.address(); err != nil {
		return o, &hinted{err, "--connect HOST:PORT [--servername NAME] [--starttls smtp]"}
	}
	if f.keyType != "" && f.keyType != "rsa" && f.keyType != "ecdsa" {
		return o, fmt.Errorf("--key-type %q is not rsa or ecdsa", f.keyType)
	}
	if f.timeout <= 0 {
		return o, fmt.Errorf("--timeout %v is not more than nothing", f.timeout)
	}
	if f.issuer != "" {
		if o.Issuers, err = readCertificates(f.issuer); err != nil {
			return o, err
		}
	}
	return o, checkOutput(f.output)
}

// address reads the flags that say where the server is.
func (f *checkFlags) address() (prove.Address, error) {
	connect := f.connect
	switch f.starttls {
	case "":
	case prove.SMTP:
		connect = prove.SMTP + "://" + strings.TrimPrefix(connect, prove.SMTP+"://")
	default:
		return prove.Address{}, fmt.Errorf("--starttls %q is not smtp", f.starttls)
	}
	a, err := prove.ParseAddress(connect)
	if err != nil {
		return a, fmt.Errorf("--connect: %w", err)
	}
	if f.servername == "" {
		return a, nil
	}
	if !prove.IsServerName(f.servername) {
		return a, fmt.Errorf("--servername %q is not a name that a client can ask for, such as www.example", f.servername)
	}
	if a.ServerName != "" && a.ServerName != f.servername {
		return a, fmt.Errorf("--servername is %s, and --connect names %s", f.servername, a.ServerName)
	}
	a.ServerName = f.servername
	return a, nil
}

// look makes the handshake and judges what it shows.
func look(ctx context.Context, o prove.Options, find finder) (*checked, error) {
	served, err := prove.Probe(ctx, o)
	if err != nil {
		return newChecked(o, prove.Failed(err), nil, nil), nil
	}
	files, err := find(ctx, served.Chain.Leaf)
	elsewhere, isElsewhere := errors.AsType[*elsewhereError](err)
	if err != nil && !isElsewhere {
		return nil, err
	}
	c := prove.Comparison{Chain: served.Chain, Served: served.Staple, Now: time.Now(), Verify: o.Verify}
	file := choose(files, served.Staple)
	if file != nil {
		c.HasDisk, c.Disk, c.Accepts, c.Lazy = true, file.content, file.accepts, file.lazy
		if served.Chain.Issuer == nil {
			served.Chain.Issuer = file.issuer
		}
	}
	f := prove.Compare(c)
	f.Leaf = served.Chain.Leaf
	if isElsewhere {
		f.Result, f.Detail = prove.OtherLeaf, fmt.Sprintf("the server presents the certificate %s with serial %s: %v",
			served.Chain.Leaf.Name, served.Chain.Leaf.SerialHex(), elsewhere)
	}
	return newChecked(o, f, served, file), nil
}
