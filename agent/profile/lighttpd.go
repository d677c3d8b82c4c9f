package profile

// lighttpd (mod_openssl) takes any response that parses, reads it again by
// mtime when less than 256 s are left, and drops it up to 128 s after
// nextUpdate: it looks every 64 s and may miss one. It would serve the staple
// of an earlier leaf, and it does without a file.
func lighttpd() *Profile {
	return &Profile{
		Name:     "lighttpd",
		Template: DefaultTemplate,
		SHA256:   true,
		Withdraw: everywhere(Remove),
	}
}
