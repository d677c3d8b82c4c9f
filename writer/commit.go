package writer

// CommitOptions lets the caller act between the steps of a batch.
type CommitOptions struct {
	// Before is called once per batch that changes anything, with the jobs
	// that will, when all their bytes are on disk under temporary names and
	// before the first file changes under its own. If it fails, nothing
	// changes and each of these jobs fails with its error. May be nil.
	Before func(changing []Job) error

	// After is called once for each call of Before that succeeded, with how
	// the same jobs went, before their Done. May be nil.
	After func(results []Result)
}

// CommitAll does the jobs, in their order, and tells each one's Done.
func CommitAll(jobs []Job, o CommitOptions) {
}
