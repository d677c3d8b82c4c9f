package watcher

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestKernelFollowsANameToAnotherDirectory(t *testing.T) {
	var k kernel
	k.open()
	t.Cleanup(k.close)
	dir := t.TempDir() + "/c"
	for i := range 2 {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if added, exists := k.watch(dir); !added || !exists {
			t.Fatalf("got added %v, exists %v", added, exists)
		}
		if added, _ := k.watch(dir); added {
			t.Error("the same directory counts as new")
		}
		rename(t, dir, fmt.Sprintf("%s-%d", dir, i))
	}
	if len(k.byID) != 1 || len(k.byPath) != 1 {
		t.Errorf("got %d watches by %d names, want one", len(k.byID), len(k.byPath))
	}
	if _, exists := k.watch(dir); exists {
		t.Error("a missing directory exists")
	}
}

// fsnotify holds its lock while it reports that a watch it wants to end has
// gone, and Add wants that lock.
func TestAnErrorNobodyReceivesStopsNoWatch(t *testing.T) {
	var k kernel
	k.open()
	dir := t.TempDir()
	for _, name := range []string{"/moved", "/stays", "/new"} {
		if err := os.Mkdir(dir+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	k.watch(dir + "/moved")
	k.watch(dir + "/stays")
	write(t, dir+"/stays/x.pem", "x") // fsnotify waits with this event until
	rename(t, dir+"/moved", dir+"/away")
	remove(t, dir+"/away")
	write(t, dir+"/stays/last.pem", "x")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for event := range k.events() { // here, when the directory has gone
			if event.Name == dir+"/stays/last.pem" {
				break
			}
		}
		k.watch(dir + "/new")
		k.close()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("nobody receives errors, and nothing goes on")
	}
}
