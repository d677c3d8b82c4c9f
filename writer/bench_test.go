package writer

import (
	"fmt"
	"path/filepath"
	"testing"
)

// BenchmarkCommitAll writes fresh staples of 500 bytes, in batches of the
// given size; ns/op is for one file.
func BenchmarkCommitAll(b *testing.B) {
	for _, size := range []int{1, 8, 32, 33, 64, 128, 512} {
		b.Run(fmt.Sprintf("%d", size), func(b *testing.B) {
			dir := b.TempDir()
			data := make([]byte, 500)
			round := 0
			for done := 0; done < b.N; done += size {
				round++
				jobs := make([]Job, size)
				for i := range jobs {
					jobs[i] = Job{
						Path:    filepath.Join(dir, fmt.Sprintf("%d.ocsp", i)),
						Data:    fmt.Appendf(data[:0:0], "%500d", round),
						Options: Options{UID: -1, GID: -1},
						Done: func(changed bool, err error) {
							if !changed || err != nil {
								b.Errorf("got changed %v, error %v", changed, err)
							}
						},
					}
				}
				CommitAll(jobs, CommitOptions{})
			}
		})
	}
}
