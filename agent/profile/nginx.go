package profile

// nginx reads ssl_stapling_file when it starts or reloads, and fails if the
// file is missing or does not parse. It verifies nothing and serves what it
// read for ever. So a file that parses is always there: the staple, or the
// tryLater placeholder, which clients take as no staple.
func nginx() *Profile {
	w := everywhere(Placeholder)
	w[Absent] = Placeholder
	return &Profile{
		Name:     "nginx",
		Template: DefaultTemplate,
		SHA256:   true, // looked up by nobody: the file is sent as it is
		Withdraw: w,
	}
}
