package writer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkCommitAll writes fresh staples of 500 bytes, in batches of the given
// size, beside a bare loop that makes files as durable; ns/op is for one file,
// and the ratio is the bare loop's time over ours: 1 is as fast.
func BenchmarkCommitAll(b *testing.B) {
	for _, size := range []int{1, 8, 32, 33, 64, 128, 512} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			ours, limit := b.TempDir(), b.TempDir()
			var took, bare time.Duration
			round := 0
			for done := 0; done < b.N; done += size {
				round++
				data := fmt.Appendf(nil, "%500d", round)
				start := time.Now()
				commitBatch(b, ours, size, data)
				between := time.Now()
				if err := bareBatch(limit, size, data); err != nil {
					b.Fatal(err)
				}
				took, bare = took+between.Sub(start), bare+time.Since(between)
			}
			files := float64(round * size)
			b.ReportMetric(float64(took.Nanoseconds())/files, "ns/op")
			b.ReportMetric(float64(bare.Nanoseconds())/files, "limit-ns/op")
			b.ReportMetric(bare.Seconds()/took.Seconds(), "ratio")
		})
	}
}

func commitBatch(b *testing.B, dir string, size int, data []byte) {
	jobs := make([]Job, size)
	for i := range jobs {
		jobs[i] = Job{
			Path: filepath.Join(dir, fmt.Sprintf("%d.ocsp", i)), Data: data, Options: Options{UID: -1, GID: -1},
			Done: func(changed bool, err error) {
				if !changed || err != nil {
					b.Errorf("got changed %v, error %v", changed, err)
				}
			},
		}
	}
	CommitAll(jobs, CommitOptions{})
}

// bareBatch does what has to be done and looks at nothing: temporary files, one
// sync of the file system, or of each file if they are few, the renames, a sync
// of the directory.
func bareBatch(path string, size int, data []byte) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	name := func(i int) string { return filepath.Join(path, fmt.Sprintf("%d.ocsp", i)) }
	for i := range size {
		if err := bareWrite(name(i)+".tmp", data, size <= maxSingle); err != nil {
			return err
		}
	}
	if size > maxSingle {
		if err := unix.Syncfs(int(dir.Fd())); err != nil {
			return err
		}
	}
	for i := range size {
		if err := os.Rename(name(i)+".tmp", name(i)); err != nil {
			return err
		}
	}
	return dir.Sync()
}

func bareWrite(path string, data []byte, sync bool) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if sync {
		return f.Sync()
	}
	return nil
}
