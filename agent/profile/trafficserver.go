package profile

import (
	"time"

	"github.com/restaple/restaple/agent/staple"
)

// trafficserverMaxBytes is the buffer Traffic Server reads a prefetched
// response into (MAX_STAPLING_DER in its OCSPStapling.cc). A longer one is the
// end of its process: 9.2 writes it beyond its stack.
const trafficserverMaxBytes = 10240

// trafficserver serves whatever parses, without an end. It does without a file,
// but not in a list: if one that is not the first is missing or does not parse,
// 9.2 frees what it knows of all of them and goes on using it (the end of
// ssl_stapling_init_cert in its OCSPStapling.cc). Then none is served, or its
// process ends. So a file that parses is always there, as for nginx.
func trafficserver() *Profile {
	w := everywhere(Placeholder)
	w[Absent] = Placeholder
	p := &Profile{
		Name:     "trafficserver",
		reacts:   trafficserverReacts(),
		Template: DefaultTemplate,
		SHA256:   true,
		Withdraw: w,
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

// trafficserverReacts says what it does with the content of its staple file,
// as measured with Traffic Server 9.2.9.
func trafficserverReacts() []rule {
	return []rule{
		{Ignores, unread + "a line in the log, but the end of its process where it is not the first of a list", []Trait{blank, asText, garbage}},
		{Fails, "it has room for 10240 octets: its process ends", []Trait{over16K, over10K}},
		{Fails, "it loads no certificate that has expired", []Trait{leafEnded}},
		{Serves, "for ever, since it never looks at nextUpdate", []Trait{expired}},
		{Serves, "it never looks at nextUpdate, so reload it in time", []Trait{endingSoon}},
		{Serves, "it verifies nothing", []Trait{tryLater, unstapled, errorStatus, mismatch, notAuthorized, badSignature, critical, badWindow,
			saysRevoked, saysUnknown, farFuture, future, oddProduced}},
		{Serves, "", []Trait{trailing, multi, sha256ID, noNextUpdate, emptyList, old, good}},
	}
}
