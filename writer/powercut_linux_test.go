package writer_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/hooks"
	"github.com/restaple/restaple/writer"
)

// disk is an ext4 file system whose power can be cut: what has not been
// written out then is lost.
type disk struct {
	image string
	dir   string
	cuts  int
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	memory := t.TempDir() // or the real disk would have to write every image
	mount(t, "-t", "tmpfs", "tmpfs", memory)
	d := &disk{image: filepath.Join(memory, "disk"), dir: t.TempDir()}
	if err := os.WriteFile(d.image, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", "-q", "-F", d.image)
	// Left to itself it would write nothing out for five minutes.
	mount(t, "-o", "loop,commit=300", d.image, d.dir)
	return d
}

// cut returns what is found on the disk after a power cut at this moment.
func (d *disk) cut(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(d.image)
	if err != nil {
		t.Fatal(err)
	}
	d.cuts++
	image, dir := fmt.Sprintf("%s-%d", d.image, d.cuts), t.TempDir()
	if err := os.WriteFile(image, content, 0o600); err != nil {
		t.Fatal(err)
	}
	mount(t, "-o", "loop", image, dir)
	return dir
}

// control shows that without a sync a file is lost, or a test would prove nothing.
// Another program may have all disks of the machine synced now and then, as a
// shutdown in a container does; not each time.
func (d *disk) control(t *testing.T) {
	t.Helper()
	for i := range 5 {
		name := fmt.Sprintf("control%d", i)
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
		if read(t, d.cut(t), name) != "content" {
			return
		}
	}
	t.Fatal("an unsynced file has survived, each time")
}

// mount mounts something until the end of the test. The last argument is the
// directory.
func mount(t *testing.T, args ...string) {
	t.Helper()
	run(t, "mount", args...)
	t.Cleanup(func() {
		// Another program of the machine may be looking at all file systems.
		output, err := exec.Command("umount", args[len(args)-1]).CombinedOutput()
		for range 100 {
			if err == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
			output, err = exec.Command("umount", args[len(args)-1]).CombinedOutput()
		}
		t.Errorf("umount: %v: %s", err, output)
	})
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	output, err := exec.Command(program, args...).CombinedOutput()
	if err == nil {
		return
	}
	why := fmt.Sprintf("%s %v: %v: %s", program, args, err, output)
	if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "mount") {
		t.Fatal(why)
	}
	t.Skip("no disk to cut the power of: " + why)
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "none"
	}
	return string(content)
}

func TestWhatIsReportedAsWrittenSurvivesAPowerCut(t *testing.T) {
	whoever := writer.Options{UID: -1, GID: -1}
	for _, n := range []int{1, 100} {
		t.Run(fmt.Sprintf("%d files", n), func(t *testing.T) {
			d := newDisk(t)
			d.control(t)
			for _, name := range []string{"0", "gone"} {
				if _, err := writer.Replace(filepath.Join(d.dir, name), []byte("old"), whoever); err != nil {
					t.Fatal(err)
				}
			}

			jobs := []writer.Job{{Path: filepath.Join(d.dir, "gone"), Remove: true}}
			for i := range n {
				jobs = append(jobs, writer.Job{
					Path: filepath.Join(d.dir, fmt.Sprint(i)), Data: fmt.Appendf(nil, "new %d", i), Options: whoever,
					Done: func(changed bool, err error) {
						if !changed || err != nil {
							t.Errorf("got changed %v, error %v", changed, err)
						}
					},
				})
			}
			writer.CommitAll(jobs, writer.CommitOptions{Before: func([]writer.Job) error {
				after := d.cut(t)
				if got := read(t, after, "0"); got != "old" {
					t.Errorf("before the first rename: got %q", got)
				}
				temps, _ := filepath.Glob(filepath.Join(after, writer.TempPattern))
				if len(temps) != n {
					t.Errorf("before the first rename: got %d temporary files, want %d", len(temps), n)
				}
				for _, temp := range temps {
					if got := read(t, after, filepath.Base(temp)); !strings.HasPrefix(got, "new ") {
						t.Errorf("before the first rename: got %q in a temporary file", got)
					}
				}
				return nil
			}})
			after := d.cut(t)
			for i := range n {
				if got, want := read(t, after, fmt.Sprint(i)), fmt.Sprintf("new %d", i); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if got := read(t, after, "gone"); got != "none" {
				t.Errorf("removed file: got %q", got)
			}
		})
	}
}

// heard remembers what a hook was told.
type heard struct{ changes []hooks.Change }

func (h *heard) Deliver(_ context.Context, changes []hooks.Change) error {
	h.changes = append(h.changes, changes...)
	return nil
}

func TestAPromisedHookSurvivesAPowerCut(t *testing.T) {
	d := newDisk(t)
	queue := func(dir string, h *heard) *hooks.Queue {
		q, err := hooks.NewQueue(hooks.QueueOptions{
			Name: "reload", Action: h, Dir: filepath.Join(dir, "state", "hooks"), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	change := hooks.Change{Event: hooks.Placed, Cert: "/a.pem", Staple: "/a.pem.ocsp"}
	if _, err := queue(d.dir, &heard{}).Promise([]hooks.Change{change}); err != nil {
		t.Fatal(err)
	}
	var h heard
	if err := queue(d.cut(t), &h).Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(h.changes) != 1 || h.changes[0] != change {
		t.Errorf("got %v, want %v", h.changes, change)
	}
}
