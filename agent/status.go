package agent

import (
	"cmp"
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/staple"
	"github.com/restaple/restaple/hooks"
)

// Certificate is how one certificate file stands. Its JSON form is a public
// interface.
type Certificate struct {
	Path        string    `json:"path"`
	Name        string    `json:"name,omitempty"`
	Staple      string    `json:"staple"`
	Server      string    `json:"server"`
	State       State     `json:"state"`
	OK          bool      `json:"ok"`
	Serial      string    `json:"serial,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	MustStaple  bool      `json:"must_staple,omitempty"`
	ThisUpdate  time.Time `json:"this_update,omitzero"`
	NextUpdate  time.Time `json:"next_update,omitzero"`
	Expires     time.Time `json:"expires,omitzero"` // effective end of the staple
	RefreshAt   time.Time `json:"refresh_at,omitzero"`
	Responders  []string  `json:"responders,omitempty"`
	Asks        []Ask     `json:"asks,omitempty"`   // who is really asked, and how
	Reason      string    `json:"reason,omitempty"` // of the last failure
	Error       string    `json:"error,omitempty"`  // the same in words
	ErrorAt     time.Time `json:"error_at,omitzero"`
	Attempts    int       `json:"attempts,omitempty"` // failed ones in a row
	Would       string    `json:"would,omitempty"`    // what a dry run has left undone
}

// Ask is a URL that is asked about a certificate: of the responder or, while the
// issuer is missing, of that. URLs are without passwords.
type Ask struct {
	URL string `json:"url"`
	Via string `json:"via,omitempty"` // proxy on the way
}

// Asks says what is asked for the responders at urls. Others that they redirect
// to cannot be known.
func (o *Options) Asks(urls []string) []Ask {
	var all []Ask
	for _, u := range urls {
		if o.Asking != nil {
			u = cmp.Or(o.Asking(responder.Host(u)).URL, u)
		}
		all = o.addAsk(all, u)
	}
	return all
}

// shown returns URLs without passwords, which are rare.
func shown(urls []string) []string {
	if !slices.ContainsFunc(urls, func(u string) bool { return strings.Contains(u, "@") }) {
		return urls
	}
	out := make([]string, len(urls))
	for i, u := range urls {
		out[i] = responder.Redact(u)
	}
	return out
}

// addAsk leaves out what cannot be asked, which the certificate's state says.
func (o *Options) addAsk(all []Ask, url string) []Ask {
	var one Ask
	if one.URL, one.Via = o.Client.Way(url); one.URL == "" || slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// atATime is how many certificates are described between two other things that
// the loop does: a few milliseconds' worth.
const atATime = 2000

// Certificates asks the running loop how all certificates stand, sorted by
// path. The loop goes on with its work meanwhile. It returns nil if ctx is
// done first.
func (a *Agent) Certificates(ctx context.Context) []Certificate {
	var all []*target
	a.onLoop(ctx, func() { all = slices.AppendSeq(make([]*target, 0, len(a.targets)), maps.Values(a.targets)) })
	out := make([]Certificate, 0, len(all))
	for part := range slices.Chunk(all, atATime) {
		a.onLoop(ctx, func() {
			now := wall()
			for _, t := range part {
				if t.trouble != notChain && a.targets[t.key] == t {
					out = append(out, a.describe(t, now))
				}
			}
		})
	}
	if ctx.Err() != nil {
		return nil
	}
	sortByPath(out)
	return out
}

// Responders says what each responder's lane is doing.
func (a *Agent) Responders() []responder.LaneState { return a.lanes.Snapshot() }

// Hooks says how each hook stands.
func (a *Agent) Hooks() []hooks.QueueState {
	out := make([]hooks.QueueState, len(a.queues))
	for i, q := range a.queues {
		out[i] = q.State()
	}
	return out
}

// Problems says what could not be looked at, such as a path that is named and
// not there. It may be called after RunOnce has returned.
func (a *Agent) Problems() []string {
	var out []string
	a.onLoop(context.Background(), func() { out = slices.Sorted(maps.Values(a.problems)) })
	return out
}

// report describes every target; the loop's goroutine calls it.
func (a *Agent) report(now time.Time) []Certificate {
	out := make([]Certificate, 0, len(a.targets))
	for _, t := range a.targets {
		if t.trouble != notChain {
			out = append(out, a.describe(t, now))
		}
	}
	sortByPath(out)
	return out
}

func sortByPath(certs []Certificate) {
	slices.SortFunc(certs, func(x, y Certificate) int {
		if c := strings.Compare(x.Path, y.Path); c != 0 {
			return c
		}
		return strings.Compare(x.Staple, y.Staple)
	})
}

func (a *Agent) describe(t *target, now time.Time) Certificate {
	c := Certificate{
		Path: t.key.path, Staple: t.staple, Server: a.o.Groups[t.key.group].Profile.Name,
		State: stateOf(t, now), Error: t.problem, Would: t.would,
	}
	if a.o.LookOnly && c.State == Pending && t.sub.failure != nil {
		c.State = Missing // somebody else has asked
		if t.sub.chain.Issuer == nil {
			c.State = NoIssuer
		}
	}
	if s := t.sub; s != nil {
		leaf := s.chain.Leaf
		c.Name, c.Serial, c.MustStaple = leaf.Name, leaf.SerialHex(), leaf.MustStaple
		c.Fingerprint = hex.EncodeToString(leaf.Fingerprint[:])
		c.Responders, c.Asks, c.Attempts = shown(s.urls), a.o.Asks(s.urls), s.attempts
		if s.chain.Issuer == nil && len(s.urls) > 0 {
			for _, u := range issuerURLs(leaf) {
				c.Asks = a.o.addAsk(c.Asks, u)
			}
		}
		if !s.asking {
			c.RefreshAt = a.askAt(s, now)
		}
		if f := s.failure; f != nil && !(f.Reason == string(staple.IsRevoked) && t.disk.status == staple.Good && t.supersedes()) {
			c.Reason, c.Error, c.ErrorAt = f.Reason, f.Message, f.At
		} else if c.State == NoIssuer && s.chain.IssuerErr != nil {
			c.Error = s.chain.IssuerErr.Error()
		}
		if f := t.failure(); f != nil {
			c.Error, c.ErrorAt = f.Message, f.At
		}
	}
	if t.disk.kind == valid || t.disk.kind == invalid {
		c.ThisUpdate, c.NextUpdate, c.Expires = t.disk.this, t.disk.next, t.disk.ends
	}
	c.OK = c.State.OK(c.MustStaple)
	return c
}
