package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/config"
	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/hooks/haproxy"
)

// usualHook tells a server in its usual way, if it runs.
func (s *system) usualHook(p *profile.Profile, stateDir string) (*hooks.Queue, error) {
	h := config.DefaultHook()
	h.Name = p.Name
	if p.Reload.On != nil {
		h.On = p.Reload.On
	}
	if p.Reload.Socket {
		return s.haproxyQueue(h, &config.HAProxy{}, p.Reload.Running, stateDir)
	}
	log := s.log.With("hook", h.Name)
	action, err := hooks.NewCommand(hooks.CommandOptions{Name: h.Name, Args: p.Reload.Command, Check: p.Reload.Check, Log: log})
	if err != nil {
		return nil, err
	}
	return s.queueOf(h, hooks.WhenRunning(p.Reload.Running, action, log), stateDir, log)
}

// haproxyTimeout is what a delivery to HAProxy, or a comparison with it, gets at
// least: a hundred thousand staples take a minute, and one that is cut off
// begins anew.
const haproxyTimeout = 5 * time.Minute

// haproxyQueue hands staples to a running HAProxy, at the first of the usual
// sockets that is there, or at the one that is configured. The server is
// also compared with the disk.
func (s *system) haproxyQueue(h *config.Hook, c *config.HAProxy, usual []string, stateDir string) (*hooks.Queue, error) {
	log := s.log.With("hook", h.Name)
	address := c.Socket
	if address == "" {
		there := slices.IndexFunc(usual, func(p string) bool { _, err := os.Stat(p); return err == nil })
		address = usual[max(0, there)]
	}
	turns := ""
	if stateDir != "" {
		turns = filepath.Join(stateDir, url.PathEscape(h.Name)+".turns")
	}
	var q *hooks.Queue
	hook, err := haproxy.New(haproxy.Options{
		Address: address,
		Master:  c.Master,
		Buffer:  c.Buffer,
		Turns:   turns,
		Read:    func(c hooks.Change) ([]byte, error) { return agent.ReadStaple(s.loader, c) },
		All:     func() []hooks.Change { return s.placed(q) },
		Log:     log,
	})
	if err != nil {
		return nil, err
	}
	var action hooks.Action = hook
	if running := h.Running; len(running) > 0 {
		action = hooks.WhenRunning(running, hook, log)
	} else if filepath.IsAbs(address) {
		action = hooks.WhenRunning([]string{address}, hook, log)
	}
	patient := *h
	patient.Timeout = max(h.Timeout, haproxyTimeout)
	if q, err = s.queueOf(&patient, action, stateDir, log); err != nil {
		return nil, err
	}
	s.options.Held = append(s.options.Held, agent.Held{Queue: q, Holder: hook, Expected: c.Socket != "" && len(h.Running) == 0})
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
		return s.haproxyQueue(h, h.HAProxy, nil, stateDir)
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
	if len(h.Running) > 0 {
		action = hooks.WhenRunning(h.Running, action, log)
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
	o.Result = func(err error, took time.Duration) {
		if s.ran != nil {
			s.ran(h.Name, err, took)
		}
		if s.agent != nil {
			s.agent.ProveSoon() // also of a failure: what is served then is not what is on disk
		}
	}
	if stateDir != "" {
		o.Dir = filepath.Join(stateDir, "hooks")
	}
	return hooks.NewQueue(o)
}
