package writer

import (
	"path/filepath"
	"syscall"
)

const (
	// maxBatch bounds how long the first job of a batch waits for the last.
	maxBatch = 512

	// descriptorShare is which part of the descriptors that the process may
	// have a batch takes for its directories; each needs two of them.
	descriptorShare = 4

	// maxSingle is the number of files up to which each is synced by itself.
	// For more of them one sync of the whole file system is cheaper, although
	// it also writes what other programs have left unwritten.
	maxSingle = 32
)

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

// CommitAll does the jobs, in their order, and tells each one's Done. Jobs
// that name the same path are done one after the other; else up to 512 of
// them share a batch and its syncs. One that fails holds up no other.
func CommitAll(jobs []Job, o CommitOptions) {
	folders := maxFolders()
	for len(jobs) > 0 {
		n := batchLen(jobs, folders)
		commit(jobs[:n], o)
		jobs = jobs[n:]
	}
}

// batchLen says how many of the first jobs can share a batch. What a job has
// to do is decided before any other job of its batch is done, so a path
// stands in a batch once.
func batchLen(jobs []Job, folders int) int {
	seen, dirs := make(map[string]bool, min(len(jobs), maxBatch)), make(map[string]bool)
	for i, j := range jobs {
		path := filepath.Clean(j.Path)
		dirs[filepath.Dir(path)] = true
		if i == maxBatch || seen[path] || len(dirs) > folders {
			return i
		}
		seen[path] = true
	}
	return len(jobs)
}

// maxFolders is how many directories a batch may have open.
func maxFolders() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return maxBatch
	}
	return int(max(1, min(uint64(limit.Cur)/(2*descriptorShare), maxBatch)))
}

func commit(jobs []Job, o CommitOptions) {
	b := &batch{folders: make(map[string]*folder)}
	all := make([]*step, len(jobs))
	for i := range jobs {
		all[i] = b.plan(&jobs[i])
	}
	b.run(o)
	b.close()
	for _, s := range all {
		if s.Done != nil {
			s.Done(s.changed, s.err)
		}
	}
}

func (b *batch) run(o CommitOptions) {
	b.write()
	changing := b.going()
	if len(changing) == 0 {
		return
	}
	if o.Before != nil {
		if err := o.Before(jobsOf(changing)); err != nil {
			for _, s := range changing {
				s.fail("prepare", err)
			}
			return
		}
	}
	for _, s := range changing {
		s.finish()
	}
	b.syncFolders()
	if o.After != nil {
		o.After(resultsOf(changing))
	}
}

func jobsOf(steps []*step) []Job {
	jobs := make([]Job, len(steps))
	for i, s := range steps {
		jobs[i] = *s.Job
	}
	return jobs
}

func resultsOf(steps []*step) []Result {
	results := make([]Result, len(steps))
	for i, s := range steps {
		results[i] = Result{Job: *s.Job, Changed: s.changed, Err: s.err}
	}
	return results
}
