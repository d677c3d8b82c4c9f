package profile

// lighttpd (mod_openssl) takes any response that parses, reads it again by
// mtime when less than 256 s are left, and drops it itself at nextUpdate. It
// would serve the staple of an earlier leaf, and it does without a file.
func lighttpd() *Profile {
	return &Profile{
		Name:     "lighttpd",
		Template: DefaultTemplate,
		SHA256:   true,
		Withdraw: map[Cause]Way{Ending: Leave, Renewed: Remove, Revoked: Remove, Damaged: Remove},
	}
}
