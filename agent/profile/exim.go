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
