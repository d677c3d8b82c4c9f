package profile

import (
	"crypto"
	"time"

	"github.com/restaple/restaple/agent/staple"
)

const (
	// haproxyMargin is how long before nextUpdate HAProxy stops to take or
	// serve a response (OCSP_MAX_RESPONSE_TIME_SKEW).
	haproxyMargin = 300 * time.Second

	// haproxyMaxBytes is the default tune.bufsize, into which HAProxy reads
	// the file; it cuts off what is longer without a word.
	haproxyMaxBytes = 16384
)

// haproxy checks most of a response itself, ignores what it does not like with
// a warning, and stops serving 300 s before nextUpdate. Only a revoked
// response and a bad signature get past it.
func haproxy() *Profile {
	p := &Profile{
		Name:     "haproxy",
		Template: DefaultTemplate,
		Withdraw: map[Cause]Way{Ending: Leave, Renewed: Leave, Damaged: Remove, Revoked: Remove},
		Reload:   &Reload{Running: []string{"/run/haproxy/admin.sock", "/var/run/haproxy/admin.sock"}, Socket: true},
	}
	p.accept = func(s *staple.Staple, now time.Time) error {
		switch {
		case s.Status == staple.Unknown:
			return p.refuse("it ignores the status unknown")
		case s.Singles != 1:
			return p.refuse("it ignores a response with %d SingleResponses, it wants exactly one", s.Singles)
		case s.Hash != crypto.SHA1:
			return p.refuse("it looks up SHA-1 CertIDs, this one is hashed with %v", s.Hash)
		case s.NextUpdate.IsZero():
			return p.refuse("it ignores a response without nextUpdate")
		case !s.NextUpdate.After(now.Add(haproxyMargin)):
			return p.refuse("it wants nextUpdate more than 300 s ahead, it is %s", s.NextUpdate.UTC().Format(time.RFC3339))
		case len(s.DER()) > haproxyMaxBytes:
			return p.refuse("it reads at most %d octets (tune.bufsize), the response has %d", haproxyMaxBytes, len(s.DER()))
		}
		return nil
	}
	return p
}
