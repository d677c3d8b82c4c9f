package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os/user"
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
	answers *answers      // nil: no requests are answered

	ran func(hook string, err error, took time.Duration) // told of each run of a hook; may be nil
}

// start makes the agent.
func (s *system) start() (*agent.Agent, error) {
	a, err := agent.New(s.options)
	if err != nil {
		return nil, err
	}
	s.agent = a
	s.answers.join(a)
	return a, nil
}

// assemble translates a config. Only is which of its certificates to look
// after; none means all.
func assemble(c *config.Config, only []string, log *slog.Logger) (*system, error) {
	s := &system{log: log}
	var wrong config.Problems
	fail := failer(func(key string, err error) { wrong = append(wrong, c.Blame(key, err)) })
	s.client = newClient(c, fail)
	byHost := c.ByHost()
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
	var err error
	queues := make(map[*config.Hook]*hooks.Queue)
	for _, h := range c.Hooks {
		if queues[h], err = s.newQueue(h, c.StateDir); err != nil {
			return nil, fmt.Errorf("hook %s: %w", h.Name, err)
		}
	}
	usual := make(map[string]*hooks.Queue) // by server
	for i, set := range c.Certificates {
		g := group(set, queues, fail.under("certificates[%d]", i))
		if g == nil {
			continue
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
	s.loader = chain.NewLoader(chain.LoaderOptions{IssuerDirs: s.issuerDirs()})
	s.newAnswers(c, fail)
	if len(wrong) > 0 {
		s.client.Close()
		wrong.Sort()
		return nil, slices.Compact(wrong)
	}
	return s, nil
}

// failer is told of a key of the configuration whose value is of no use on this
// machine: a user or a file that is not there.
type failer func(key string, err error)

// under is for the keys of a mapping that has a place of its own.
func (f failer) under(format string, i int) failer {
	return func(key string, err error) { f(fmt.Sprintf(format, i)+"."+key, err) }
}

func underAny(path string, dirs []string) bool {
	for _, d := range dirs {
		if path == d || strings.HasPrefix(path, strings.TrimSuffix(d, "/")+"/") {
			return true
		}
	}
	return false
}

func group(set *config.Certificates, queues map[*config.Hook]*hooks.Queue, fail failer) *agent.Group {
	p, err := profile.ByName(set.Server)
	if err != nil {
		fail("server", err)
		return nil
	}
	g := &agent.Group{
		Profile: p, Template: set.Staple, Mode: set.Mode, Responder: set.Responder,
		IssuerDirs: set.Issuers, Strict: set.Strict,
		Policy: agent.Policy{OnRevoked: set.OnRevoked, OnUnknown: set.OnUnknown},
	}
	if g.UID, err = userID(set.Owner); err != nil {
		fail("owner", err)
	}
	if g.GID, err = groupID(set.Group); err != nil {
		fail("group", err)
	}
	for _, p := range set.Prove {
		a, err := prove.ParseAddress(p)
		if err != nil {
			fail("prove", err)
		}
		g.Prove = append(g.Prove, a)
	}
	if set.Snippet != "" {
		g.Profile = p.WithSnippet()
		g.Snippet, g.SnippetText = set.Snippet, profile.Snippet
		if set.SnippetFileOnly {
			g.SnippetText = profile.SnippetFileOnly
		}
	}
	if set.Reserve {
		g.Profile = g.Profile.WithReserve()
	}
	if set.IssuersChainPath {
		g.Profile = g.Profile.WithIssuersKnown()
	}
	for _, h := range set.Hooks {
		if h.HAProxy != nil && h.HAProxy.Buffer > 0 && p.Name == "haproxy" {
			g.Profile = g.Profile.WithBuffer(h.HAProxy.Buffer)
		}
	}
	g.Sources = sourcesOf(set)
	for _, h := range set.Hooks {
		g.Hooks = append(g.Hooks, queues[h])
	}
	return g
}

// userID turns a name or number into a number; "" is -1.
func userID(s string) (int, error) {
	if n, ok := number(s); ok {
		return n, nil
	}
	u, err := user.Lookup(s)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return 0, fmt.Errorf("there is no user %q here", s)
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}

// groupID does the same for groups.
func groupID(s string) (int, error) {
	if n, ok := number(s); ok {
		return n, nil
	}
	g, err := user.LookupGroup(s)
	if _, unknown := errors.AsType[user.UnknownGroupError](err); unknown {
		return 0, fmt.Errorf("there is no group %q here", s)
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

func number(s string) (n int, ok bool) {
	if s == "" {
		return -1, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func sourcesOf(set *config.Certificates) (sources []watcher.Source) {
	for _, path := range set.Paths {
		sources = append(sources, watcher.Source{Path: path, Recursive: set.Recursive})
	}
	return sources
}
