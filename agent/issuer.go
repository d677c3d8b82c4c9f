package agent

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/watcher"
	"github.com/restaple/restaple/watcher/chain"
	"github.com/restaple/restaple/writer"
)

// issuerCache is where issuers that were fetched by AIA caIssuers are kept, so
// that the loaders find them like any other.
type issuerCache struct {
	dir       string // "": nowhere
	lasting   string // where a dry run finds what others have kept; "": nowhere
	temporary bool   // goes with the agent
}

// FetchedIssuers is the directory of issuers that were fetched, below a state
// directory.
func FetchedIssuers(stateDir string) string { return filepath.Join(stateDir, "issuers") }

// openIssuerCache makes the cache. Without a state directory, or if nothing may
// be changed, it lasts as long as the agent.
func openIssuerCache(o *Options) (*issuerCache, error) {
	lasting := ""
	if o.StateDir != "" {
		dir := FetchedIssuers(o.StateDir)
		if o.LookOnly {
			return &issuerCache{dir: dir}, nil
		}
		if !o.DryRun {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
			return &issuerCache{dir: dir}, nil
		}
		lasting = dir
	}
	if o.LookOnly {
		return &issuerCache{}, nil
	}
	dir, err := os.MkdirTemp("", "restaple-issuers-")
	if err != nil {
		return &issuerCache{lasting: lasting}, nil // then none is fetched, which its state will say
	}
	return &issuerCache{dir: dir, lasting: lasting, temporary: true}, nil
}

func (c *issuerCache) close() {
	if c.temporary {
		_ = os.RemoveAll(c.dir) // in the system's directory for such things
	}
}

// dirs adds the cache to the issuer directories of a group.
func (c *issuerCache) dirs(configured []string) []string {
	all := configured[:len(configured):len(configured)]
	for _, dir := range []string{c.lasting, c.dir} {
		if dir != "" {
			all = append(all, dir)
		}
	}
	return all
}

// keep writes an issuer into the cache.
func (c *issuerCache) keep(cert *x509.Certificate) error {
	sum := sha256.Sum256(cert.Raw)
	path := filepath.Join(c.dir, hex.EncodeToString(sum[:8])+".pem")
	_, err := writer.Replace(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), writer.Options{Mode: 0o644, UID: -1, GID: -1})
	return err
}

// wantsIssuer reports whether the issuer of s could be fetched.
func (a *Agent) wantsIssuer(s *subject) bool {
	return s.chain.Issuer == nil && len(s.urls) > 0 && len(issuerURLs(s.chain.Leaf)) > 0 && !a.o.LookOnly && a.issuers.dir != ""
}

// issuerURLs are where a leaf's issuer can be fetched. Microsoft's CAs name their
// directory first (ldap:), which is nothing to speak of.
func issuerURLs(leaf *chain.Leaf) []string {
	return slices.DeleteFunc(slices.Clone(leaf.CAIssuers), func(u string) bool { return !responder.HasIssuers(u) })
}

// issuerFlights are the downloads of issuers. Thousands of leaves may name one
// URL: it is fetched once for all of them.
type issuerFlights struct {
	waiting map[string][]subjectKey // by URL, the one whose leaf is shown the answer first
	done    map[string]time.Time    // when a URL brought an issuer
}

// issuerSettles is for how long after a download the loaders are asked first:
// a leaf may have been read just before the issuer was there.
const issuerSettles = 30 * time.Second

// errNotSigner says that what a URL led to is no use for one leaf.
var errNotSigner = errors.New("signed this one")

// fetchIssuer asks the leaf's caIssuers URLs, one after the other.
func (a *Agent) fetchIssuer(ctx context.Context, s *subject, now time.Time) {
	urls := issuerURLs(s.chain.Leaf)
	u := urls[(s.first+s.round)%len(urls)]
	s.force, s.revived = false, false
	if at, ok := a.flights.done[u]; ok && s.attempts == 0 && now.Sub(at).Abs() < issuerSettles {
		a.observe(ctx, a.findIssuer(nil, s, now))
		return
	}
	s.asking = true
	waiting := a.flights.waiting[u]
	a.flights.waiting[u] = append(waiting, s.key)
	if len(waiting) > 0 {
		return
	}
	path := s.targets[0].key.path
	a.askings++
	a.submit(responder.Host(u), time.Time{}, func(ctx context.Context) answer {
		r := answer{url: responder.Redact(u), issuer: u, load: responder.LaneGood}
		r.err = a.cacheIssuer(ctx, u, path)
		if e, ok := errors.AsType[*responder.Error](r.err); ok {
			r.load = e.Verdict()
			if e.Kind == responder.KindHTTP {
				r.hold = e.RetryAfter
			}
		}
		return r
	})
}

// cacheIssuer fetches what a caIssuers URL leads to and keeps the certificate
// in it that signed the leaf in the file at path. All else is somebody's bytes.
func (a *Agent) cacheIssuer(ctx context.Context, url, path string) error {
	body, err := a.client.FetchIssuer(ctx, url)
	if err != nil {
		return err
	}
	leaf, err := chain.LeafCertificate(path)
	if err != nil {
		return err
	}
	certs, err := chain.ParseIssuers(body)
	if err != nil {
		return fmt.Errorf("%s: %w", responder.Redact(url), err)
	}
	issuer := chain.FindIssuer(leaf, certs, wall())
	if issuer == nil {
		return fmt.Errorf("%s: none of the %d certificates there %w", responder.Redact(url), len(certs), errNotSigner)
	}
	return a.issuers.keep(issuer)
}

// onIssuer takes in what came of a search for an issuer, for all who wait for
// it.
func (a *Agent) onIssuer(ctx context.Context, r answer, now time.Time) {
	waiting := a.flights.waiting[r.issuer]
	delete(a.flights.waiting, r.issuer)
	if r.err == nil {
		a.log.Info("issuer fetched", "responder", r.url, "waiting", len(waiting))
		maps.DeleteFunc(a.flights.done, func(_ string, at time.Time) bool { return now.Sub(at).Abs() >= issuerSettles })
		a.flights.done[r.issuer] = now
		for _, l := range a.loaders {
			l.Refresh()
		}
	}
	var looks []look
	for i, k := range waiting {
		s := a.subjects[k]
		if s == nil {
			continue // renewed or gone meanwhile
		}
		s.asking = false
		switch {
		case r.err == nil:
			looks = a.findIssuer(looks, s, now)
			continue
		case i > 0 && errors.Is(r.err, errNotSigner):
			// It is not said that the others' is not there.
		default:
			r.along = i > 0
			a.noteFailure(s, r, now)
			if s.round++; s.round >= len(issuerURLs(s.chain.Leaf)) {
				s.round, s.askedAt = 0, now
				s.attempts++
			}
		}
		a.evaluate(ctx, s, now)
	}
	a.observe(ctx, looks)
}

// findIssuer has the files of s read again, now that its issuer may be at hand.
// It counts as failed until the loader has found it, too.
func (a *Agent) findIssuer(looks []look, s *subject, now time.Time) []look {
	s.round, s.first, s.askedAt = 0, 0, now
	s.attempts++
	for _, t := range s.targets {
		looks = a.want(looks, t.key, watcher.Stamp{})
	}
	return looks
}
