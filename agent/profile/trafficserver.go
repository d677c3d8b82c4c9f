package profile

import (
	"time"

	"github.com/restaple/restaple/agent/staple"
)

// trafficserverMaxBytes is the buffer Traffic Server reads a prefetched
// response into (MAX_STAPLING_DER in its OCSPStapling.cc). A longer one is the
// end of its process: 9.2 writes it beyond its stack.
const trafficserverMaxBytes = 10240

// trafficserver serves whatever parses, without an end, and does without a
// file.
func trafficserver() *Profile {
	p := &Profile{
		Name:     "trafficserver",
		Template: DefaultTemplate,
		SHA256:   true,
		Withdraw: everywhere(Remove),
		// A changed staple is only read again with a changed ssl_multicert.config.
		Reload: &Reload{
			Running: []string{"/run/trafficserver/manager.lock"}, // PIDFile of Debian's unit
			Check:   []string{"touch", "/etc/trafficserver/ssl_multicert.config"},
			Command: []string{"traffic_ctl", "config", "reload"},
		},
	}
	p.accept = func(s *staple.Staple, _ time.Time) error {
		if n := len(s.DER()); n > trafficserverMaxBytes {
			return p.refuse("its process ends by more than %d octets, the response has %d", trafficserverMaxBytes, n)
		}
		return nil
	}
	return p
}
