package profile

import (
	"time"

	"github.com/restaple/restaple/agent/staple"
)

// envoy refuses a configuration whose ocsp_staple is missing, does not parse or
// belongs to another certificate, and checks the end by itself at each
// handshake (ocsp_staple_policy). So the file is never taken away.
func envoy() *Profile {
	p := &Profile{
		Name:     "envoy",
		reacts:   envoyReacts(),
		Template: DefaultTemplate,
	}
	p.accept = func(s *staple.Staple, _ time.Time) error {
		switch {
		case s.Singles != 1:
			return p.refuse("it refuses a response with %d SingleResponses, it wants exactly one", s.Singles)
		case s.NextUpdate.IsZero():
			return p.refuse("it takes a response without nextUpdate for expired")
		}
		return nil
	}
	return p
}

// envoyReacts says what it does with the content of its staple file,
// by its source.
func envoyReacts() []rule {
	return []rule{
		{Fails, unread + "the configuration is refused", []Trait{asText, garbage, trailing}},
		{Fails, "the configuration is refused: the responseStatus is not successful", []Trait{tryLater, unstapled, errorStatus}},
		{Fails, "the configuration is refused: it is about another serial", []Trait{mismatch}},
		{Fails, "the configuration is refused: it wants exactly one SingleResponse", []Trait{multi}},
		{Ignores, "an empty ocsp_staple is none", []Trait{blank}},
		{Ignores, "it is over, with the lenient ocsp_staple_policy; the others refuse connections or the configuration", []Trait{expired, badWindow}},
		{Ignores, "without nextUpdate it counts as expired", []Trait{noNextUpdate}},
		{Serves, "it drops it at nextUpdate", []Trait{endingSoon}},
		{Serves, "it verifies neither signature nor status", []Trait{notAuthorized, badSignature, saysRevoked, saysUnknown}},
		{Serves, "", []Trait{critical, farFuture, future, oddProduced, leafEnded, sha256ID, emptyList, over16K, over10K, old, good}},
	}
}
