package profile

import (
	"crypto"
	"time"

	"github.com/restaple/restaple/agent/staple"
)

// hitch verifies what it reads, keeps the last good response, and drops it at
// nextUpdate. It watches its ocsp-dir, where a staple is called by the MD5 sum
// of the certificate's path, so nobody has to tell it, unless the certificate
// names no responder: then it reads the file only when it starts and on SIGHUP.
// While it starts or reloads it looks first and watches later: a file that
// comes in between is not read before its time changes.
// With ocsp-resp-file it does not start without a valid file, so nothing is ever
// taken away from it.
func hitch() *Profile {
	p := &Profile{
		Name:     "hitch",
		reacts:   hitchReacts(),
		Template: "/var/lib/hitch/{md5}", // what ocsp-dir is by default
		Touch:    5 * time.Second,
	}
	p.accept = func(s *staple.Staple, _ time.Time) error {
		switch {
		case s.Status != staple.Good:
			return p.refuse("it does not start with the status %s", s.Status)
		case s.Hash != crypto.SHA1:
			return p.refuse("it looks up SHA-1 CertIDs, this one is hashed with %v", s.Hash)
		}
		return nil
	}
	return p
}

// hitchReacts says what it does with the content of its staple file,
// as measured with hitch 1.7.2.
func hitchReacts() []rule {
	return []rule{
		{Fails, hitchFails, []Trait{blank, asText, garbage, tryLater, unstapled, errorStatus, mismatch, badSignature,
			saysRevoked, saysUnknown, sha256ID}},
		{Serves, "it does not ask who may sign", []Trait{notAuthorized}},
		{Ignores, "nextUpdate has passed", []Trait{expired, badWindow}},
		{Serves, "without the octets that follow it", []Trait{trailing}},
		{Serves, "it drops it at nextUpdate", []Trait{endingSoon}},
		{Serves, "", []Trait{critical, farFuture, future, oddProduced, leafEnded, multi, noNextUpdate, emptyList, over16K, over10K, old, good}},
	}
}

const hitchFails = "no start with it as ocsp-resp-file; in ocsp-dir the last good one stays"
