package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/restaple/restaple/agent"
)

// defaultWait is how long --wait waits if it is not told.
const defaultWait = 2 * time.Minute

type refreshFlags struct {
	workFlags
	force, dryRun bool
	wait          time.Duration
	output        string
}

func newRefreshCommand() *cobra.Command {
	var f refreshFlags
	cmd := &cobra.Command{
		Use:   "refresh [flags] [PATH...]",
		Short: "Make one pass: renew what is due, tell the server, exit",
		Long: `Make one pass over the certificates: ask for the staples that are missing or
due, verify and place them, withdraw what must not be served any more, run the
hooks, and exit. For timers, init containers and deploy hooks.

The exit code is 0 if every certificate that can have a valid staple has one in
place, and 1 otherwise.`,
		Example: `  restaple refresh /etc/haproxy/certs
  restaple refresh --server nginx --hook 'nginx -s reload' /etc/nginx/tls/site.pem
  restaple refresh --wait=1m --config /etc/restaple/restaple.yaml`,
		RunE: func(cmd *cobra.Command, paths []string) error { return refresh(cmd, f, paths) },
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.force, "force", false, "ask about every certificate, also where nothing is due")
	flags.BoolVar(&f.dryRun, "dry-run", false, "ask and verify, but change nothing and tell nobody")
	flags.DurationVar(&f.wait, "wait", 0, "retry until every certificate has its staple, for this `time` at most")
	flags.Lookup("wait").NoOptDefVal = defaultWait.String()
	flags.StringVarP(&f.output, "output", "o", "text", "output `format`: text or json")
	return cmd
}

func refresh(cmd *cobra.Command, f refreshFlags, paths []string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if err := f.checkWait(paths); err != nil {
		return err
	}
	c, only, err := f.load(paths)
	if err != nil {
		return err
	}
	bar := newCounter(cmd.ErrOrStderr())
	var logTo io.Writer = cmd.ErrOrStderr()
	if bar != nil {
		logTo = bar
	}
	log := newLog(logTo, c.Log)
	if f.config == "" && len(only) > 0 {
		log.Info("the configuration looks after these paths, and is used", "config", defaultConfig)
	}
	if err := prepareState(c, log); err != nil {
		return err
	}
	s, err := assemble(c, only, log)
	if err != nil {
		return err
	}
	defer s.client.Close()
	s.options.Force, s.options.DryRun, s.options.Wait = f.force, f.dryRun, f.wait
	s.options.Progress, s.options.ProgressEvery = logProgress(log), logEvery
	if bar != nil {
		s.options.Progress, s.options.ProgressEvery = bar.show, 0
	}
	a, err := s.start()
	if err != nil {
		return err
	}
	certs, err := a.RunOnce(cmd.Context())
	bar.end()
	_, isHook := errors.AsType[*agent.HookError](err)
	_, isProof := errors.AsType[*agent.ProofError](err)
	if err != nil && !isHook && !isProof { // those are logged where they happen
		log.Error("pass not finished", "err", err)
	}
	r := newReport(certs, a.Problems(), time.Now())
	if f.output == "json" {
		if e := r.write(cmd.OutOrStdout(), "json"); e != nil {
			return e
		}
	} else if e := r.summary(cmd.OutOrStdout()); e != nil {
		return e
	}
	switch {
	case err != nil, !r.OK:
		return &notOK{}
	case cmd.Context().Err() != nil:
		return &notOK{"interrupted"}
	}
	if missing := unseen(only, certs); missing != "" {
		return &notOK{fmt.Sprintf("%s: no certificate of the configuration is there", missing)}
	}
	return nil
}

// checkWait finds a time that is meant for --wait, which takes one only after
// an equals sign.
func (f *refreshFlags) checkWait(paths []string) error {
	for _, p := range paths {
		if _, err := time.ParseDuration(p); err != nil || f.wait == 0 {
			continue
		}
		if _, err := os.Lstat(p); errors.Is(err, fs.ErrNotExist) {
			return &hinted{fmt.Errorf("there is no file %s", p), "write --wait=" + p}
		}
	}
	return nil
}

// unseen returns the first of the paths under which no certificate was found.
func unseen(paths []string, certs []agent.Certificate) string {
	for _, p := range paths {
		if !slices.ContainsFunc(certs, func(c agent.Certificate) bool { return underAny(c.Path, []string{p}) }) {
			return p
		}
	}
	return ""
}

// summary prints how many certificates are in which state, and what is not
// well in full.
func (r report) summary(w io.Writer) error {
	var out strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintln(&out, p)
	}
	count := make(map[agent.State]int)
	for _, c := range r.Certificates {
		count[c.State]++
		if c.Would != "" {
			fmt.Fprintf(&out, "%s: would %s\n", c.Path, c.Would)
		}
		if c.OK {
			continue
		}
		fmt.Fprintf(&out, "%s: %s", c.Path, c.State)
		if c.Error != "" {
			fmt.Fprintf(&out, ": %s", strings.TrimPrefix(c.Error, string(c.State)+": "))
		}
		out.WriteByte('\n')
		if a := advice(c); a != "" {
			fmt.Fprintf(&out, "    hint: %s\n", a)
		}
	}
	var states []string
	for _, s := range slices.Sorted(maps.Keys(count)) {
		states = append(states, fmt.Sprintf("%d %s", count[s], s))
	}
	noun := "certificates"
	if len(r.Certificates) == 1 {
		noun = "certificate"
	}
	fmt.Fprintf(&out, "%d %s", len(r.Certificates), noun)
	if len(states) > 0 {
		out.WriteString(": " + strings.Join(states, ", "))
	}
	out.WriteByte('\n')
	if len(r.Certificates)+len(r.Problems) == 0 {
		fmt.Fprintf(&out, "    hint: %s\n", nothingFound)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func checkOutput(format string) error {
	if format != "text" && format != "json" {
		return fmt.Errorf("--output %q is not text or json", format)
	}
	return nil
}
