package writer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// group returns jobs for n files under dir, in several directories if spread.
func group(t *testing.T, dir string, n int, spread bool) []Job {
	t.Helper()
	jobs := make([]Job, n)
	for i := range jobs {
		sub := dir
		if spread {
			sub = filepath.Join(dir, fmt.Sprint(i))
			if err := os.MkdirAll(sub, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		jobs[i] = Job{
			Path:    filepath.Join(sub, fmt.Sprintf("%d.ocsp", i)),
			Data:    fmt.Appendf(nil, "staple %d", i),
			Options: whoever,
			Tag:     i,
			Done: func(changed bool, err error) {
				if !changed || err != nil {
					t.Errorf("%d: got changed %v, error %v", i, changed, err)
				}
			},
		}
	}
	return jobs
}

func TestABatchIsOnDiskBeforeTheFirstFileChanges(t *testing.T) {
	for _, n := range []int{1, maxSingle, maxSingle + 1, 100} {
		for _, spread := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d files, spread %v", n, spread), func(t *testing.T) {
				dir := t.TempDir()
				var told []string
				jobs := group(t, dir, n, spread)
				check := jobs[0].Done
				jobs[0].Done = func(changed bool, err error) {
					told = append(told, "done")
					check(changed, err)
				}
				CommitAll(jobs, CommitOptions{
					Before: func(changing []Job) error {
						told = append(told, fmt.Sprintf("before %d", len(changing)))
						if got := len(temps(t, dir)); got != n {
							t.Errorf("got %d temporary files, want %d", got, n)
						}
						for _, j := range changing {
							if _, err := os.Lstat(j.Path); err == nil {
								t.Errorf("%s is there already", j.Path)
							}
						}
						return nil
					},
					After: func(results []Result) {
						told = append(told, fmt.Sprintf("after %d", len(results)))
						for i, r := range results {
							if !r.Changed || r.Err != nil || r.Tag != i {
								t.Errorf("got %v, %v, tag %v", r.Changed, r.Err, r.Tag)
							}
							wantContent(t, r.Path, fmt.Sprintf("staple %d", i))
						}
					},
				})
				want := []string{fmt.Sprintf("before %d", n), fmt.Sprintf("after %d", n), "done"}
				if !slices.Equal(told, want) {
					t.Errorf("got %v, want %v", told, want)
				}
				if left := temps(t, dir); left != nil {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

func TestABatchThatMayNotGoOnChangesNothing(t *testing.T) {
	dir := t.TempDir()
	jobs := group(t, dir, 40, false)
	put(t, jobs[0].Path, "old")
	jobs[1] = Job{Path: filepath.Join(dir, "gone"), Remove: true}
	put(t, jobs[1].Path, "to be removed")
	no := errors.New("no")
	for i := range jobs {
		jobs[i].Done = func(changed bool, err error) {
			if changed || !errors.Is(err, no) {
				t.Errorf("%d: got changed %v, error %v", i, changed, err)
			}
			if left := temps(t, dir); left != nil {
				t.Errorf("left behind: %v", left)
			}
		}
	}
	CommitAll(jobs, CommitOptions{
		Before: func([]Job) error { return no },
		After:  func([]Result) { t.Error("After was called") },
	})
	wantContent(t, jobs[0].Path, "old")
	wantContent(t, jobs[1].Path, "to be removed")
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("got %v, want two files", entries)
	}
}

func TestAJobThatIsNoLongerWantedLeavesItsFileAlone(t *testing.T) {
	dir := t.TempDir()
	gone := errors.New("no longer wanted")
	var jobs []Job
	errs := make(map[string]error)
	for _, name := range []string{"replaced", "removed", "new", "other"} {
		path := filepath.Join(dir, name)
		if name != "new" {
			put(t, path, "old")
		}
		j := Job{Path: path, Data: []byte("new"), Remove: name == "removed", Options: whoever}
		j.Done = func(changed bool, err error) {
			errs[name] = err
			if changed != (name == "other") {
				t.Errorf("%s: changed %v", name, changed)
			}
		}
		j.Still = func() error {
			if name == "other" {
				return nil
			}
			if len(temps(t, dir)) == 0 {
				t.Errorf("%s: asked before its content was on disk", name)
			}
			return gone
		}
		jobs = append(jobs, j)
	}
	kept := make(map[string]bool)
	CommitAll(jobs, CommitOptions{After: func(results []Result) {
		for _, r := range results {
			kept[filepath.Base(r.Path)] = r.Changed
		}
	}})
	for name, err := range errs {
		if got, want := err == nil, name == "other"; got != want || !got && !errors.Is(err, gone) || kept[name] != want {
			t.Errorf("%s: got %v, changed %v", name, err, kept[name])
		}
	}
	wantContent(t, filepath.Join(dir, "replaced"), "old")
	wantContent(t, filepath.Join(dir, "removed"), "old")
	wantContent(t, filepath.Join(dir, "other"), "new")
	if _, err := os.Lstat(filepath.Join(dir, "new")); !os.IsNotExist(err) {
		t.Errorf("new: %v", err)
	}
	if left := temps(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBeforeIsAskedOnlyAboutWhatChanges(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	put(t, path("same"), "same")
	put(t, path("other"), "old")
	if err := os.Mkdir(path("directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	var asked, changed []string
	observe := CommitOptions{
		Before: func(jobs []Job) error {
			for _, j := range jobs {
				asked = append(asked, filepath.Base(j.Path))
			}
			return nil
		},
		After: func(results []Result) {
			for _, r := range results {
				if r.Changed {
					changed = append(changed, filepath.Base(r.Path))
				}
			}
		},
	}
	jobs := []Job{
		{Path: path("same"), Data: []byte("same"), Options: whoever},
		{Path: path("missing"), Remove: true},
		{Path: path("directory"), Data: []byte("new"), Options: whoever},
	}
	CommitAll(jobs, observe)
	if asked != nil || changed != nil {
		t.Errorf("nothing changes: got asked %v, changed %v", asked, changed)
	}
	CommitAll(append(jobs, Job{Path: path("other"), Data: []byte("new"), Options: whoever}), observe)
	if want := []string{"other"}; !slices.Equal(asked, want) || !slices.Equal(changed, want) {
		t.Errorf("got asked %v, changed %v, want %v", asked, changed, want)
	}
}

// The second job must not be taken for needless because the file has its
// bytes before the first one is done.
func TestJobsForOneFileAreDoneInTheirOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ocsp")
	put(t, path, "old")
	var done []bool
	job := func(path, data string, remove bool) Job {
		return Job{Path: path, Data: []byte(data), Remove: remove, Options: whoever,
			Done: func(changed bool, err error) {
				if err != nil {
					t.Error(err)
				}
				done = append(done, changed)
			}}
	}
	CommitAll([]Job{
		job(path, "new", false),
		job(filepath.Dir(path)+"/./a.ocsp", "old", false),
		job(path, "", true),
		job(path, "last", false),
		job(path, "last", false),
	}, CommitOptions{})
	wantContent(t, path, "last")
	if want := []bool{true, true, true, true, false}; !slices.Equal(done, want) {
		t.Errorf("got changed %v, want %v", done, want)
	}
}

// nginx wants the staple before the snippet that includes it.
func TestChangesAreMadeInTheOrderOfTheJobs(t *testing.T) {
	dir := t.TempDir()
	jobs := group(t, dir, 200, true)
	stop := make(chan struct{})
	seen := make(chan error)
	go func() {
		for {
			_, second := os.Lstat(jobs[199].Path)
			_, first := os.Lstat(jobs[0].Path)
			if second == nil && first != nil {
				seen <- errors.New("the last file was there before the first")
				return
			}
			select {
			case <-stop:
				seen <- nil
				return
			default:
			}
		}
	}()
	CommitAll(jobs, CommitOptions{})
	close(stop)
	if err := <-seen; err != nil {
		t.Error(err)
	}
}

func TestManyJobsAreDoneInSeveralBatches(t *testing.T) {
	jobs := group(t, t.TempDir(), 2*maxBatch+1, false)
	var sizes []int
	for len(jobs) > 0 {
		n := batchLen(jobs, maxBatch)
		sizes, jobs = append(sizes, n), jobs[n:]
	}
	if want := []int{maxBatch, maxBatch, 1}; !slices.Equal(sizes, want) {
		t.Errorf("got batches of %v, want %v", sizes, want)
	}
}

func TestATemporaryFileThatWasSweptIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	jobs := group(t, dir, 3, false)
	CommitAll(jobs, CommitOptions{Before: func([]Job) error {
		for _, temp := range temps(t, dir) {
			if err := os.Remove(temp); err != nil {
				t.Error(err)
			}
		}
		return nil
	}})
	for i, j := range jobs {
		wantContent(t, j.Path, fmt.Sprintf("staple %d", i))
	}
}
