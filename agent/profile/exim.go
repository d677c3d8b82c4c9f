package profile

import (
	"time"

	"github.com/restaple/restaple/agent/staple"
)

// exim, as Debian builds it with GnuTLS, refuses every TLS connection while
// the file is expired, revoked, of another leaf or no response, and works
// without a file if its configuration asks "if exists". So a file that is not
// right goes at once.
func exim() *Profile {
	p := &Profile{
		Name:     "exim",
		reacts:   eximReacts(),
		Template: DefaultTemplate,
		SHA256:   true,
		Withdraw: everywhere(Remove),
	}
	p.accept = func(s *staple.Staple, _ time.Time) error {
		if s.Status == staple.Revoked {
			return p.refuse("with GnuTLS a revoked staple ends every TLS connection")
		}
		return nil
	}
	return p
}

// eximReacts says what it does with the content of its staple file,
// as measured with Exim 4.96 (GnuTLS).
func eximReacts() []rule {
	return []rule{
		{Fails, "no TLS any more, unless the configuration says PEM before the path", []Trait{asText}},
		{Fails, "no TLS any more (as Debian builds it, with GnuTLS)", []Trait{blank, garbage, trailing, tryLater, unstapled, errorStatus, mismatch,
			expired, badWindow, saysRevoked}},
		{Serves, "no TLS any more if it is read again after nextUpdate", []Trait{endingSoon}},
		{Serves, "it verifies no signature", []Trait{badSignature, notAuthorized}},
		{Serves, "", []Trait{critical, saysUnknown, farFuture, future, oddProduced, leafEnded, multi, sha256ID, noNextUpdate, emptyList,
			over16K, over10K, old, good}},
	}
}
