package profile

import "strings"

// Snippet returns what a snippet for nginx holds that names a staple.
func Snippet(staple string) string { return "ssl_stapling on;\n" + SnippetFileOnly(staple) }

// SnippetFileOnly is Snippet for server blocks that say ssl_stapling on
// themselves, since nginx refuses to be told twice.
func SnippetFileOnly(staple string) string {
	// Whoever may name a certificate must not be able to say more than that.
	return `ssl_stapling_file "` + nginxQuoted.Replace(staple) + `";` + "\n"
}

// IsSnippet reports whether a file may be a snippet, of whatever staple: it may
// be torn, but is not what somebody else has written.
func IsSnippet(content []byte) bool {
	const begin = "ssl_stapling"
	n := min(len(content), len(begin))
	return string(content[:n]) == begin[:n]
}

// nginxQuoted writes what nginx takes for something else between double quotes.
var nginxQuoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// nginx reads ssl_stapling_file when it starts or reloads, and fails if the
// file is missing or does not parse. It verifies nothing and serves what it
// read for ever. So a file that parses is always there: the staple, or the
// tryLater placeholder, which clients take as no staple.
func nginx() *Profile {
	w := everywhere(Placeholder)
	w[Absent] = Placeholder
	return &Profile{
		Name:        "nginx",
		reacts:      nginxReacts(),
		Template:    DefaultTemplate,
		SHA256:      true, // looked up by nobody: the file is sent as it is
		Withdraw:    w,
		OnePerBlock: true,
		Reload: &Reload{
			Running: []string{"/run/nginx.pid", "/var/run/nginx.pid", "/usr/local/nginx/logs/nginx.pid"},
			Check:   []string{"nginx", "-t", "-q"},
			Command: []string{"nginx", "-s", "reload"},
		},
	}
}

// nginxReacts says what it does with the content of its staple file,
// as measured with nginx 1.22 and 1.31.
func nginxReacts() []rule {
	return []rule{
		{Fails, unread + "no start, and a reload changes nothing", []Trait{blank, asText, garbage}},
		{Serves, "for ever, since it never looks at nextUpdate", []Trait{expired}},
		{Serves, "without the octets that follow it", []Trait{trailing}},
		{Serves, "it never looks at nextUpdate, so reload it in time", []Trait{endingSoon}},
		{Serves, "it verifies nothing", []Trait{tryLater, unstapled, errorStatus, mismatch, notAuthorized, badSignature, critical, badWindow,
			saysRevoked, saysUnknown, farFuture, future, oddProduced, leafEnded}},
		{Serves, "", []Trait{multi, sha256ID, noNextUpdate, emptyList, over16K, over10K, old, good}},
	}
}
