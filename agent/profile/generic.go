package profile

// generic is for a server that nobody has measured: nothing is refused, and a
// staple that is no longer right is removed, since almost every server does
// without one and almost none checks what it serves.
func generic() *Profile {
	return &Profile{
		Name:     "generic",
		Template: DefaultTemplate,
		SHA256:   true,
		Withdraw: everywhere(Remove),
	}
}
