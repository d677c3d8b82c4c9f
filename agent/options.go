package agent

import (
	"context"
	"crypto"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/prove"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/agent/schedule"
	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/watcher"
)

// What a policy may say to do when the responder says revoked or unknown.
const (
	Withdraw = "withdraw" // stop vouching: take the good staple out
	Publish  = "publish"  // staple what the responder said
	Keep     = "keep"     // go on with the good staple until it ends
)

// Policy is what to do with answers that are verified and not good.
type Policy struct {
	OnRevoked string // Withdraw (default), Publish or Keep
	OnUnknown string // Keep (default) or Publish
}

// Group is a set of certificates that are looked after in the same way.
type Group struct {
	Sources    []watcher.Source
	Profile    *profile.Profile
	Template   string      // of the staple's path; "" is the profile's
	Mode       fs.FileMode // of the staple file; 0: as it is, or 0644
	UID, GID   int         // owner of the staple file; -1: as it is, or as the certificate's
	Responder  string      // asked instead of the leaf's own; "": the leaf's
	IssuerDirs []string
	Policy     Policy
	Strict     bool            // refuse SHA-1 signatures
	Hooks      []*hooks.Queue  // told of each change
	Prove      []prove.Address // where the staples are served; a handshake proves it

	// Snippet is the template of a file that tells the server to staple, and
	// is there only while there is a staple; "": none. SnippetText returns its
	// content for the path of a staple.
	Snippet     string
	SnippetText func(staple string) string
}

// Lazy is how long before the end of its staple the server has read a newer one;
// 0: it is told, or sees it at once.
func (g *Group) Lazy() time.Duration {
	if slices.ContainsFunc(g.Hooks, func(q *hooks.Queue) bool { return q.Hears(hooks.Placed) }) {
		return 0
	}
	return g.Profile.Lazy
}

// Options is what an agent works with. Client, Groups and Log are required.
type Options struct {
	Groups []Group
	Client *responder.Client
	Lanes  responder.LaneOptions

	// Asking says how a responder host is asked. May be nil.
	Asking func(host string) Asking

	Schedule *schedule.Cron // when ordinary refreshes may happen; nil: at any time
	Rescan   time.Duration  // between two full looks; 0: a minute
	StateDir string         // for what must survive; "": nothing does
	Log      *slog.Logger

	ProveWithin time.Duration // a server's time to serve what is new; 0: 15 s

	Held []Held // servers to compare with the disk

	// Index is kept up to date with what is looked after, for whoever
	// answers requests about it. With it there may be no Groups. May be nil.
	Index *Index

	// Ignore leaves certificates out although a group names them. May be nil.
	Ignore func(path string) bool

	Force    bool          // RunOnce asks about every leaf
	DryRun   bool          // RunOnce asks and verifies, and changes nothing
	LookOnly bool          // RunOnce asks nobody and changes nothing
	Wait     time.Duration // RunOnce retries for so long until all is well

	// Asked is told of each exchange with a responder, Changed of each staple
	// file that has changed. They are called from many goroutines and must
	// not block. May be nil.
	Asked   func(Attempt)
	Changed func(hooks.Event)

	Proved   func(prove.Finding) // told of each handshake with an address, from many goroutines; must not block; may be nil
	Ready    func()              // called by Run once after the first pass; may be nil
	Progress func(Progress)      // called from the loop, by Run until it is ready; may be nil

	ProgressEvery time.Duration // between two calls of Progress; 0: a fifth of a second
}

// Asking is how one responder is asked.
type Asking struct {
	URL   string      // asked instead; "": the one it was found by
	Hash  crypto.Hash // of the CertID; 0: SHA-1
	Nonce bool
}

// Attempt is one exchange with a responder.
type Attempt struct {
	Responder string        // host, and port unless it is the scheme's own
	Reason    string        // "good", or why it brought no staple
	Took      time.Duration // with retries by another method or hash
}

// Progress counts certificates in a pass.
type Progress struct {
	Found, Done, Failed int
}

// asker is the part of responder.Client that the agent needs.
type asker interface {
	Ask(ctx context.Context, q responder.Query) (*responder.Answer, error)
	FetchIssuer(ctx context.Context, url string) ([]byte, error)
}

func (o *Options) check() error {
	switch {
	case len(o.Groups) == 0 && o.Index == nil:
		return errors.New("nothing to look after: no certificates are named")
	case o.Client == nil || o.Log == nil:
		return errors.New("an agent needs a client and a log")
	}
	return nil
}
