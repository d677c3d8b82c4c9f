package profile

import (
	"crypto"
	"strings"
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
		reacts:   haproxyReacts(),
		Template: DefaultTemplate,
		Withdraw: map[Cause]Way{Ending: Leave, Renewed: Leave, Damaged: Remove, Revoked: Remove, Stranded: Remove},
		finds:    haproxyFinds,
		Reload:   &Reload{Running: []string{"/run/haproxy/admin.sock", "/var/run/haproxy/admin.sock"}, Socket: true},
	}
	p.accept = p.haproxyAccepts(haproxyMaxBytes)
	return p
}

// haproxyAccepts judges for an HAProxy with a tune.bufsize of most octets.
func (p *Profile) haproxyAccepts(most int) func(*staple.Staple, time.Time) error {
	return func(s *staple.Staple, now time.Time) error {
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
		case len(s.DER()) > most:
			return p.refuse("it reads at most %d octets (tune.bufsize), the response has %d", most, len(s.DER()))
		}
		return nil
	}
}

// WithBuffer returns p for an HAProxy with a tune.bufsize of n octets.
func (p *Profile) WithBuffer(n int) *Profile {
	q := *p
	q.accept = q.haproxyAccepts(n)
	return &q
}

// haproxyFinds reports whether HAProxy finds the issuer that is in a file: the
// certificate's own, or the one that is called like the staple. Up to 3.2 it
// does not start with a staple, even an empty one, whose issuer it does not
// find. It knows nothing of chain.pem, ca.crt and such.
func haproxyFinds(cert, staple, issuer string) bool {
	return issuer == cert || issuer == haproxyIssuer(staple)
}

// haproxyIssuer is where HAProxy looks for the issuer that is not in the
// certificate's file.
func haproxyIssuer(staple string) string { return strings.TrimSuffix(staple, ".ocsp") + ".issuer" }

// WithIssuersKnown returns p for an HAProxy that finds all issuers by itself, in
// its issuers-chain-path.
func (p *Profile) WithIssuersKnown() *Profile {
	q := *p
	q.finds = nil
	return &q
}

// haproxyReacts says what it does with the content of its staple file,
// as measured with HAProxy 2.6 to 3.5.
func haproxyReacts() []rule {
	return []rule{
		{Ignores, unread + "a warning at start", []Trait{blank, asText, garbage}},
		{Ignores, "its responseStatus is not successful", []Trait{tryLater, unstapled, errorStatus}},
		{Ignores, "the CertID is not that of the certificate", []Trait{mismatch}},
		{Ignores, "it looks up SHA-1 CertIDs only", []Trait{sha256ID}},
		{Ignores, "it wants exactly one SingleResponse", []Trait{multi}},
		{Ignores, "it wants a nextUpdate", []Trait{noNextUpdate}},
		{Ignores, "the status is unknown", []Trait{saysUnknown}},
		{Ignores, "it is not in its time", []Trait{expired, future, farFuture, badWindow}},
		{Ignores, "it stops 300 s before nextUpdate", []Trait{endingSoon}},
		{Ignores, "it reads at most 16384 octets (tune.bufsize)", []Trait{over16K}},
		{Serves, "together with the octets that follow it", []Trait{trailing}},
		{Serves, "it does not mind the status revoked", []Trait{saysRevoked}},
		{Serves, "it verifies no signature", []Trait{badSignature, notAuthorized}},
		{Serves, "", []Trait{critical, oddProduced, leafEnded}},
		{Serves, "from its file, after a reload: its socket takes no more than about 11500 octets (tune.bufsize)", []Trait{over10K}},
		{Serves, "", []Trait{emptyList, old, good}},
	}
}
