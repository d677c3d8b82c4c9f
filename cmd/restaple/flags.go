package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/shlex"
	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
)

// defaultConfig is read when neither paths nor a config are named, and when the
// paths are its own: see usual.
const defaultConfig = "/etc/restaple/restaple.yaml"

// workFlags are the flags of every command that works on certificates.
type workFlags struct {
	config    string
	server    string
	staple    string
	responder string
	allow     []string
	hooks     []string
	issuers   []string
	recursive bool
	stateDir  string
	logFormat string
	logLevel  string
}

func (f *workFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.config, "config", "c", "", "configuration `file` (default "+defaultConfig+" if no paths are given, or if it looks after them)")
	flags.StringVar(&f.server, "server", "", "the server that reads the staples: "+strings.Join(profile.Names(), ", "))
	flags.StringVar(&f.staple, "staple", "", "`template` of the staple's path: {path} {dir} {base} {name} {md5} (default: where the server looks, mostly {path}.ocsp)")
	flags.StringVar(&f.responder, "responder", "", "ask this `URL` instead of the certificate's own responder")
	flags.StringArrayVar(&f.allow, "allow", nil, "let responders be at addresses of this `CIDR`, such as 127.0.0.0/8; may be repeated")
	flags.StringArrayVar(&f.hooks, "hook", nil, "`command` to run after staples have changed, words split as a shell does, no shell; may be repeated")
	flags.StringArrayVar(&f.issuers, "issuers", nil, "`directory` with issuer certificates; may be repeated")
	flags.BoolVarP(&f.recursive, "recursive", "r", false, "look into the directories below the named ones too")
	flags.StringVar(&f.stateDir, "state-dir", "", "`directory` for what must survive a restart (default $STATE_DIRECTORY, /var/lib/restaple or ~/.local/state/restaple)")
	flags.StringVar(&f.logFormat, "log-format", "", "`format` of the log: text or json")
	flags.StringVar(&f.logLevel, "log-level", "", "`level` of the log: debug, info, warn or error")
}

// load makes a config of the file and the flags. Paths named on the command
// line beside a file choose among the certificates of the file; without one
// they are the certificates.
func (f *workFlags) load(paths []string) (c *config.Config, only []string, err error) {
	if paths, err = absolute(paths); err != nil {
		return nil, nil, err
	}
	file := f.config
	if file == "" && len(paths) > 0 {
		if file, err = f.usual(defaultConfig, paths); err != nil {
			return nil, nil, err
		}
	}
	if file == "" && len(paths) == 0 {
		if _, err := os.Stat(defaultConfig); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, &hinted{errors.New("no certificates are named"), "name files or directories, or a configuration with --config FILE"}
		}
		file = defaultConfig
	}
	if file == "" {
		c = config.Default()
		set := config.DefaultCertificates()
		set.Paths = paths
		c.Certificates = append(c.Certificates, set)
	} else {
		if c, err = config.Load(file); err != nil {
			return nil, nil, err
		}
		if len(c.Certificates) == 0 && len(c.Answer.Listen) == 0 { // as the packages install it
			return nil, nil, &hinted{fmt.Errorf("%s: nothing to look after: no certificates are named", file),
				"name files or directories under certificates: in " + file}
		}
		only = paths
	}
	return c, only, f.override(c)
}

// usual returns file if it is the configuration of all the paths, and no flag
// says what to do with them; else "". A deploy hook is `restaple refresh PATH`:
// with other rules than those of the service it would take a file away that
// nginx needs to start.
func (f *workFlags) usual(file string, paths []string) (string, error) {
	if f.server != "" || f.staple != "" || f.responder != "" || f.recursive || len(f.hooks) > 0 || len(f.issuers) > 0 {
		return "", nil
	}
	c, err := config.Load(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", &hinted{err, "mend it, or say with --server whose certificates these are, and it is not read"}
	}
	var sources []watcher.Source
	for _, set := range c.Certificates {
		sources = append(sources, sourcesOf(set)...)
	}
	w, err := watcher.New(watcher.Options{Sources: sources, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", err
	}
	found, _ := w.Scan(context.Background()) // what cannot be looked at is not looked after
	for _, path := range paths {
		if !slices.ContainsFunc(found, func(f watcher.File) bool { return underAny(f.Path, []string{path}) }) {
			return "", nil
		}
	}
	return file, nil
}

// override lets flags have the last word, for all certificates.
func (f *workFlags) override(c *config.Config) error {
	if _, err := profile.ByName(f.server); err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	if f.responder != "" {
		u, err := url.Parse(f.responder)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("--responder is not a URL like http://ocsp.example.com/") // there may be a password in it
		}
	}
	if f.staple != "" {
		if err := agent.CheckTemplate(f.staple); err != nil {
			return fmt.Errorf("--staple: %w", err)
		}
	}
	issuers, err := absolute(f.issuers)
	if err != nil {
		return err
	}
	hooks, err := f.commands()
	if err != nil {
		return err
	}
	c.Hooks = append(c.Hooks, hooks...)
	for _, set := range c.Certificates {
		set.Issuers = append(set.Issuers, issuers...)
		set.Recursive = set.Recursive || f.recursive
		if f.server != "" {
			set.Server = f.server
		}
		if f.staple != "" {
			set.Staple = f.staple
		}
		if f.responder != "" {
			set.Responder = f.responder
		}
		if len(hooks) > 0 {
			set.Hooks = hooks
		}
	}
	for _, s := range f.allow {
		p, err := prefix(s)
		if err != nil {
			return err
		}
		c.Allow = append(c.Allow, p)
	}
	if f.stateDir != "" {
		if c.StateDir, err = filepath.Abs(f.stateDir); err != nil {
			return err
		}
	}
	return f.logging(c)
}

func (f *workFlags) logging(c *config.Config) error {
	switch f.logFormat {
	case "":
	case config.FormatText, config.FormatJSON:
		c.Log.Format = f.logFormat
	default:
		return fmt.Errorf("--log-format %q is not text or json", f.logFormat)
	}
	if f.logLevel != "" {
		if err := c.Log.Level.UnmarshalText([]byte(f.logLevel)); err != nil {
			return fmt.Errorf("--log-level %q is not debug, info, warn or error", f.logLevel)
		}
	}
	return nil
}

// commands turns --hook into hooks. Their names stay the same from run to run,
// for what a killed run could not tell is told by the next.
func (f *workFlags) commands() ([]*config.Hook, error) {
	var out []*config.Hook
	for _, line := range f.hooks {
		words, err := shlex.Split(line)
		if err != nil || len(words) == 0 {
			return nil, fmt.Errorf("--hook %q is not a command", line)
		}
		h := config.DefaultHook()
		sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
		h.Name = filepath.Base(words[0]) + "-" + hex.EncodeToString(sum[:4])
		h.Command = words
		for _, e := range hooks.Events() {
			h.On = append(h.On, string(e))
		}
		out = append(out, h)
	}
	return out, nil
}

func prefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("--allow %q is not a range like 127.0.0.0/8", s)
	}
	return p, nil
}

func absolute(paths []string) ([]string, error) {
	out := make([]string, len(paths))
	for i, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		out[i] = abs
	}
	return out, nil
}
