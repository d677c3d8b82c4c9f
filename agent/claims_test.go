package agent

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAProcessThatHangsKeepsItsBackupWaitingOnlyForAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bubble) {
		b.issue("site.pem", a0)
		b.behave("a.example", b.good(time.Hour, 0))
		// A lock of an open file keeps this process's own ones out, as another
		// process's would.
		f, err := os.OpenFile(filepath.Join(b.state, "claims"), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		certs, err := b.make(nil).RunOnce(ctx)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(b.start)
		if len(certs) != 1 || certs[0].State != Fresh || took < claimPatience || took > claimPatience+time.Minute {
			t.Errorf("after %v: %+v, want it fresh soon after %v", took, certs, claimPatience)
		}
	})
}
