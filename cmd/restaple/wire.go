package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/hooks/haproxy"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
)

// system is a config turned into what runs.
type system struct {
	options agent.Options
	client  *responder.Client
	log     *slog.Logger
	loader  *chain.Loader // for hooks that read staples again
	agent   *agent.Agent  // once it is made
}

// start makes the agent.
func (s *system) start() (*agent.Agent, error) {
	a, err := agent.New(s.options)
	s.agent = a
	return a, err
}

func newLog(w io.Writer, c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	if c.Format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// assemble translates a config. Only is which of its certificates to look
// after; none means all.
func assemble(c *config.Config, only []string, log *slog.Logger) (*system, error) {
	var issuers []string
	for _, set := range c.Certificates {
		issuers = append(issuers, set.Issuers...)
	}
	s := &system{log: log, loader: chain.NewLoader(chain.LoaderOptions{IssuerDirs: issuers})}
	var err error
	if s.client, err = newClient(c); err != nil {
		return nil, err
	}
	byHost := make(map[string]*config.Responder)
	for _, r := range c.Responders {
		byHost[r.Host] = r
	}
	settings := func(host string) *config.Responder {
		return cmp.Or(byHost[host], byHost[config.Everywhere], &config.Responder{})
	}
	s.options = agent.Options{
		Client: s.client,
		Lanes: responder.LaneOptions{
			Global: c.MaxInFlight,
			Override: func(host string) responder.LaneLimits {
				r := settings(host)
				return responder.LaneLimits{Max: r.MaxInFlight, Rate: r.Rate}
			},
		},
		Asking: func(host string) agent.Asking {
			r := settings(host)
			return agent.Asking{URL: r.URL, Hash: r.Hash, Nonce: r.Nonce}
		},
		Schedule: c.Schedule,
		Rescan:   c.Rescan,
		StateDir: c.StateDir,
		Log:      log,
	}
	if len(only) > 0 {
		s.options.Ignore = func(path string) bool { return !underAny(path, only) }
	}
	queues := make(map[*config.Hook]*hooks.Queue)
	for _, h := range c.Hooks {
		if queues[h], err = s.newQueue(h, c.StateDir); err != nil {
			return nil, fmt.Errorf("hook %s: %w", h.Name, err)
		}
	}
	usual := make(map[string]*hooks.Queue) // by server
	for _, set := range c.Certificates {
		g, err := group(set, queues)
		if err != nil {
			return nil, err
		}
		if set.Hooks == nil && g.Profile.Reload != nil {
			name := g.Profile.Name
			if usual[name] == nil {
				if usual[name], err = s.usualHook(g.Profile, c.StateDir); err != nil {
					return nil, fmt.Errorf("hook of %s: %w", name, err)
				}
			}
			g.Hooks = []*hooks.Queue{usual[name]}
		}
		s.options.Groups = append(s.options.Groups, *g)
	}
	return s, nil
}

func underAny(path string, dirs []string) bool {
	for _, d := range dirs {
		if path == d || strings.HasPrefix(path, strings.TrimSuffix(d, "/")+"/") {
			return true
		}
	}
	return false
}

func group(set *config.Certificates, queues map[*config.Hook]*hooks.Queue) (*agent.Group, error) {
	p, err := profile.ByName(set.Server)
	if err != nil {
		return nil, err
	}
	g := &agent.Group{
		Profile: p, Template: set.Staple, Mode: set.Mode, Responder: set.Responder,
		IssuerDirs: set.Issuers, Strict: set.Strict,
		Policy: agent.Policy{OnRevoked: set.OnRevoked, OnUnknown: set.OnUnknown},
	}
	if g.UID, err = id(set.Owner, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	}); err != nil {
		return nil, fmt.Errorf("owner: %w", err)
	}
	if g.GID, err = id(set.Group, func(name string) (string, error) {
		u, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return u.Gid, nil
	}); err != nil {
		return nil, fmt.Errorf("group: %w", err)
	}
	for _, p := range set.Prove {
		a, err := prove.ParseAddress(p)
		if err != nil {
			return nil, fmt.Errorf("prove: %w", err)
		}
		g.Prove = append(g.Prove, a)
	}
	if set.Snippet != "" {
		g.Profile = p.WithSnippet()
		g.Snippet, g.SnippetText = set.Snippet, profile.SnippetText(set.SnippetFileOnly)
	}
	if set.Reserve {
		g.Profile = p.WithReserve()
	}
	for _, path := range set.Paths {
		g.Sources = append(g.Sources, watcher.Source{Path: path, Recursive: set.Recursive})
	}
	for _, h := range set.Hooks {
		g.Hooks = append(g.Hooks, queues[h])
	}
	return g, nil
}

// id turns a name or number into a number; "" is -1.
func id(s string, lookup func(string) (string, error)) (int, error) {
	if s == "" {
		return -1, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	found, err := lookup(s)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(found)
}

// usualHook tells a server in its usual way, if it runs.
func (s *system) usualHook(p *profile.Profile, stateDir string) (*hooks.Queue, error) {
	h := config.DefaultHook()
	h.Name = p.Name
	if p.Reload.Socket {
		return s.haproxyQueue(h, p.Reload.Running, stateDir)
	}
	log := s.log.With("hook", h.Name)
	action, err := hooks.NewCommand(hooks.CommandOptions{Name: h.Name, Args: p.Reload.Command, Check: p.Reload.Check, Log: log})
	if err != nil {
		return nil, err
	}
	return s.queueOf(h, hooks.WhenRunning(p.Reload.Running, action, log), stateDir, log)
}

// haproxyTimeout is what a delivery to HAProxy gets at least: a hundred thousand
// staples take a minute, and one that is cut off begins anew.
const haproxyTimeout = 5 * time.Minute

// haproxyQueue hands staples to a running HAProxy, at the first of the sockets
// that is there. The server is also compared with the disk.
func (s *system) haproxyQueue(h *config.Hook, sockets []string, stateDir string) (*hooks.Queue, error) {
	log := s.log.With("hook", h.Name)
	address := sockets[0]
	if i := slices.IndexFunc(sockets, func(p string) bool { _, err := os.Stat(p); return err == nil }); i >= 0 {
		address = sockets[i]
	}
	var q *hooks.Queue
	hook, err := haproxy.New(haproxy.Options{
		Address: address,
		Master:  h.HAProxy != nil && h.HAProxy.Master,
		Read:    func(c hooks.Change) ([]byte, error) { return agent.ReadStaple(s.loader, c.Cert, c.Staple) },
		All:     func() []hooks.Change { return s.placed(q) },
		Log:     log,
	})
	if err != nil {
		return nil, err
	}
	var action hooks.Action = hook
	if filepath.IsAbs(address) {
		action = hooks.WhenRunning([]string{address}, hook, log)
	}
	patient := *h
	patient.Timeout = max(h.Timeout, haproxyTimeout)
	if q, err = s.queueOf(&patient, action, stateDir, log); err != nil {
		return nil, err
	}
	s.options.Held = append(s.options.Held, agent.Held{Queue: q, Holder: hook})
	return q, nil
}

// placed is what the agent says is on disk; nothing before there is one.
func (s *system) placed(q *hooks.Queue) []hooks.Change {
	if s.agent == nil {
		return nil
	}
	return s.agent.Placed(context.Background(), q)
}

// newQueue makes the queue of a configured hook.
func (s *system) newQueue(h *config.Hook, stateDir string) (*hooks.Queue, error) {
	log := s.log.With("hook", h.Name)
	if h.HAProxy != nil {
		return s.haproxyQueue(h, []string{h.HAProxy.Socket}, stateDir)
	}
	var action hooks.Action
	var err error
	switch {
	case h.Command != nil:
		action, err = hooks.NewCommand(hooks.CommandOptions{Name: h.Name, Args: h.Command, Check: h.Check, Log: log})
	case h.Signal != nil:
		action, err = hooks.NewSignal(hooks.SignalOptions{PIDFile: h.Signal.PIDFile, Process: h.Signal.Process, Signal: h.Signal.Signal})
	case h.Webhook != nil:
		action, err = hooks.NewWebhook(hooks.WebhookOptions{Name: h.Name, URL: h.Webhook.URL, Headers: h.Webhook.Headers, TokenFile: h.Webhook.TokenFile})
	default:
		err = errors.New("says nothing to do")
	}
	if err != nil {
		return nil, err
	}
	return s.queueOf(h, action, stateDir, log)
}

func (s *system) queueOf(h *config.Hook, action hooks.Action, stateDir string, log *slog.Logger) (*hooks.Queue, error) {
	o := hooks.QueueOptions{Name: h.Name, Action: action, Delay: h.Delay, Timeout: h.Timeout, Log: log}
	if h.Delay == 0 {
		o.Delay = -1
	}
	for _, e := range h.On {
		o.Events = append(o.Events, hooks.Event(e))
	}
	o.Result = func(err error, _ time.Duration) {
		if err == nil && s.agent != nil {
			s.agent.ProveSoon()
		}
	}
	if stateDir != "" {
		o.Dir = filepath.Join(stateDir, "hooks")
	}
	return hooks.NewQueue(o)
}

// prepareState finds and makes the state directory. Only one that was named
// must be there; without any, what could not be finished is not known to the
// next start.
func prepareState(c *config.Config, log *slog.Logger) error {
	if c.StateDir != "" {
		if err := os.MkdirAll(c.StateDir, 0o755); err != nil {
			return &hinted{fmt.Errorf("state directory: %w", err), "name one that can be written with --state-dir or state_dir"}
		}
		return nil
	}
	c.StateDir = usualStateDir()
	if err := os.MkdirAll(c.StateDir, 0o755); c.StateDir == "" || err != nil {
		log.Warn("no state directory: a hook that is due is forgotten in a crash; name one with --state-dir", "err", err)
		c.StateDir = ""
	}
	return nil
}

// usualStateDir is where state goes unless configured: where systemd says, or
// the usual place of root or of a user.
func usualStateDir() string {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/restaple"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "restaple")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "restaple")
	}
	return ""
}
