package profile

import "time"

// lighttpd (mod_openssl) takes any response that parses, reads it again by
// mtime when less than 256 s are left, and drops it up to 128 s after
// nextUpdate: it looks every 64 s and may miss one. It would serve the staple
// of an earlier leaf, and it does without a file. So it only has to be told of
// what is gone: new connections wait while it restarts gracefully.
func lighttpd() *Profile {
	const pid = "/run/lighttpd.pid"
	return &Profile{
		Name:     "lighttpd",
		reacts:   lighttpdReacts(),
		Template: DefaultTemplate,
		SHA256:   true,
		Withdraw: everywhere(Remove),
		Lazy:     128 * time.Second, // two looks after it has begun to
		Reload: &Reload{
			Running: []string{pid},
			// It restarts as the user that it has become, and ends if that one
			// may not read the key. These are Debian's names.
			Check: []string{"setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups",
				"lighttpd", "-tt", "-f", "/etc/lighttpd/lighttpd.conf"},
			Command: []string{"start-stop-daemon", "--stop", "--quiet", "--signal=USR1", "--name=lighttpd", "--pidfile=" + pid},
			On:      []string{"withdrawn", "revoked"},
		},
	}
}

// lighttpdReacts says what it does with the content of its staple file,
// as measured with lighttpd 1.4.69 (mod_openssl).
func lighttpdReacts() []rule {
	return []rule{
		{Ignores, unread + "a line in the log", []Trait{blank, asText, garbage}},
		{Ignores, "nextUpdate has passed", []Trait{expired, badWindow}},
		{Serves, "without the octets that follow it", []Trait{trailing}},
		{Serves, "it drops it a minute or two after nextUpdate", []Trait{endingSoon}},
		{Serves, "it looks at nothing but nextUpdate", []Trait{tryLater, unstapled, errorStatus, mismatch, notAuthorized, badSignature, critical,
			saysRevoked, saysUnknown, farFuture, future, oddProduced, leafEnded}},
		{Serves, "", []Trait{multi, sha256ID, noNextUpdate, emptyList, over16K, over10K, old, good}},
	}
}
