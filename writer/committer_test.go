package writer

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
)

func TestJobsThatArriveDuringABatchFormTheNext(t *testing.T) {
	jobs := group(t, t.TempDir(), 101, false)
	started, release := make(chan int, 10), make(chan struct{})
	c := NewCommitter(CommitOptions{Before: func(jobs []Job) error {
		started <- len(jobs)
		<-release
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()

	c.Submit(jobs[0])
	sizes := []int{<-started}
	for _, j := range jobs[1:] {
		c.Submit(j)
	}
	close(release)
	sizes = append(sizes, <-started)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if want := []int{1, 100}; !slices.Equal(sizes, want) {
		t.Errorf("got batches of %v, want %v", sizes, want)
	}
	wantContent(t, jobs[100].Path, "staple 100")
}

func TestRunDoesAllThatWasSubmittedBeforeItEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ocsp")
	c := NewCommitter(CommitOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := 0
	for range 3 {
		c.Submit(Job{Path: path, Data: []byte("staple"), Options: whoever, Done: func(bool, error) { done++ }})
	}
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
	if done != 3 {
		t.Errorf("got %d jobs done, want 3", done)
	}
	wantContent(t, path, "staple")
}
