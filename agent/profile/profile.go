// Package profile knows what each TLS server does with a staple file: where
// the file goes, what the server accepts, and what it means to withdraw a
// staple from it. A profile is data and a few pure functions; a server is one
// file here.
package profile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/restaple/restaple/agent/staple"
)

// Cause is why a staple has to go.
type Cause string

// The causes a staple is withdrawn for.
const (
	Ending  Cause = "ending"  // its end has come and no newer one did
	Renewed Cause = "renewed" // it belongs to an earlier leaf, or to none
	Revoked Cause = "revoked" // the responder has revoked the leaf since
	Damaged Cause = "damaged" // the file is no response, or one that does not verify
	Absent  Cause = "absent"  // there never was one, and the server may need a file

	Stranded Cause = "stranded" // the server does not find the issuer, and would not start with a staple
)

// Way is what withdrawing does to the file.
type Way string

// The ways to withdraw a staple.
const (
	Leave       Way = "leave"       // the server checks for itself, or would fail without the file
	Remove      Way = "remove"      // the server does without
	Placeholder Way = "placeholder" // the server starts only with a file that parses: tryLater
	Empty       Way = "empty"       // zero octets: HAProxy keeps a slot that its API can fill
)

// Profile is what restaple knows about one kind of server.
type Profile struct {
	Name string

	// Template is where the staple goes unless configured otherwise.
	Template string

	// Withdraw says what to do for each cause. A cause that is not in it
	// is left alone.
	Withdraw map[Cause]Way

	// Reload is how the server is told that its staples have changed, unless
	// hooks are configured; nil if it needs nobody to tell it.
	Reload *Reload

	// Lazy is how long before the end of its staple the server has read a
	// newer one without being told; 0: it is told, or sees it at once.
	Lazy time.Duration

	// Touch is how long after a staple was placed its file gets another time:
	// a server that watches it, and that was just starting, may have looked for
	// it before it was there and begun to watch it only then. 0: it gets none.
	Touch time.Duration

	// OnePerBlock says that RSA and ECDSA certificates of one name cannot
	// have a staple each in the same server block.
	OnePerBlock bool

	// SHA256 reports whether the server finds a staple whose CertID is
	// hashed with SHA-256 (most look up SHA-1 only).
	SHA256 bool

	// reacts says what the server does with the content of its staple file; nil
	// if that is not known.
	reacts []rule

	// accept refuses verified responses which this server would not take.
	accept func(s *staple.Staple, now time.Time) error

	// finds reports whether the server finds the issuer in a file where it
	// has to; nil: it finds it, or needs none.
	finds func(cert, staple, issuer string) bool
}

// Reload is a server's usual way to be told. It is only used while the server
// runs: one that starts later reads its staples then.
type Reload struct {
	Running []string // files, one of which holds its process id or is its socket
	Check   []string // command that has to succeed first
	Command []string
	Socket  bool // Running are sockets of HAProxy's runtime API

	// On are the events that the server has to be told of; nil: all. Of the
	// others it hears by itself.
	On []string
}

// DefaultTemplate puts the staple beside the certificate.
const DefaultTemplate = "{path}.ocsp"

// Refusal says why a server would not take a verified response.
type Refusal struct {
	Server string
	Detail string
}

func (e *Refusal) Error() string {
	return fmt.Sprintf("not for %s: %s", e.Server, e.Detail)
}

// Finds reports whether the server finds the issuer of the certificate in the
// file cert, which is in the file issuer ("": in none beside it), where it has to
// find it to start with the staple: nil, or a *Refusal.
func (p *Profile) Finds(cert, staple, issuer string) error {
	if p.finds == nil || p.finds(cert, staple, issuer) {
		return nil
	}
	return p.refuse("it would not start: with a staple it wants the issuer too, in the certificate's file or in %s", haproxyIssuer(staple))
}

// Accept reports whether the server would take s at now: nil, or a *Refusal.
func (p *Profile) Accept(s *staple.Staple, now time.Time) error {
	if s.Unreadable > 0 {
		return p.refuse("not every certificate in it can be read, and then OpenSSL and GnuTLS clients refuse it")
	}
	if p.accept == nil {
		return nil
	}
	return p.accept(s, now)
}

func (p *Profile) refuse(format string, args ...any) error {
	return &Refusal{Server: p.Name, Detail: fmt.Sprintf(format, args...)}
}

// all returns every profile, the generic one first.
func all() []*Profile {
	return []*Profile{
		generic(), nginx(), haproxy(), lighttpd(), hitch(), exim(), trafficserver(), envoy(),
	}
}

// Names returns the names that ByName takes.
func Names() []string {
	var names []string
	for _, p := range all() {
		names = append(names, p.Name)
	}
	return names
}

// ByName returns the profile of a server; "" is the generic one.
func ByName(name string) (*Profile, error) {
	if name == "" {
		return generic(), nil
	}
	i := slices.IndexFunc(all(), func(p *Profile) bool { return p.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("unknown server %q, want one of %s", name, strings.Join(Names(), ", "))
	}
	return all()[i], nil
}

// WithSnippet returns p for a server that includes a snippet which names the
// staple, and which goes away with it: then nothing has to stand in for a
// staple.
func (p *Profile) WithSnippet() *Profile {
	q := *p
	q.Withdraw = everywhere(Remove)
	return &q
}

// WithReserve returns p with an empty file where no staple is. HAProxy then
// has a slot that its runtime API can fill.
func (p *Profile) WithReserve() *Profile {
	q := *p
	q.Withdraw = map[Cause]Way{Ending: p.Withdraw[Ending], Renewed: p.Withdraw[Renewed], Revoked: Empty, Damaged: Empty, Absent: Empty, Stranded: Remove}
	return &q
}

// everywhere withdraws in the same way whatever the cause.
func everywhere(w Way) map[Cause]Way {
	return map[Cause]Way{Ending: w, Renewed: w, Revoked: w, Damaged: w}
}
