package agent_test

import (
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

func TestNothingIsAskedAboutACertificateOutsideItsTime(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	w.issue("past.pem", lab.IssueOptions{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)})
	w.issue("future.pem", lab.IssueOptions{NotBefore: now.Add(time.Hour), NotAfter: now.Add(2 * time.Hour)})
	for name, force := range map[string]bool{"as due": false, "by force": true} {
		t.Run(name, func(t *testing.T) {
			w.options = func(o *agent.Options) { o.Force = force }
			got := w.once("generic")
			if past, future := got["past.pem"], got["future.pem"]; past.State != agent.LeafExpired || future.State != agent.LeafNotYet ||
				!past.RefreshAt.IsZero() || past.Error != "" || future.Error != "" {
				t.Errorf("got %+v and %+v", past, future)
			}
			if n := w.responder.Received(); n != 0 {
				t.Errorf("the responder was asked %d times, want not at all", n)
			}
		})
	}
}
