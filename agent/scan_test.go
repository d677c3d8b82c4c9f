package agent

import (
	"log/slog"
	"testing"

	"github.com/restaple/restaple/agent/profile"
	"github.com/restaple/restaple/agent/responder"
	"github.com/restaple/restaple/watcher"
)

func TestFullLookWaitsForWhatTheLastOneFound(t *testing.T) {
	generic, err := profile.ByName("generic")
	if err != nil {
		t.Fatal(err)
	}
	client := responder.New(responder.Options{})
	t.Cleanup(client.Close)
	a, err := New(Options{
		Groups: []Group{{Sources: []watcher.Source{{Path: t.TempDir()}}, Profile: generic, UID: -1, GID: -1}},
		Client: client, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)

	a.lookings = 1
	a.lookEverywhere(t.Context())
	if a.scanning || !a.rescan {
		t.Errorf("while a certificate is being read: scanning %v, another one wanted %v", a.scanning, a.rescan)
	}
	a.lookings = 0
	a.lookEverywhere(t.Context())
	a.lookEverywhere(t.Context())
	if !a.scanning || !a.rescan {
		t.Errorf("when it has been read: scanning %v, another one wanted %v", a.scanning, a.rescan)
	}
	a.onScan(t.Context(), <-a.scans)
	if a.scanning || !a.rescan {
		t.Errorf("when the look is over: scanning %v, another one wanted %v", a.scanning, a.rescan)
	}
}
