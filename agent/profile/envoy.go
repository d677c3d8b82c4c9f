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
