package agent_test

import (
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

func TestARefreshAsksOnce(t *testing.T) {
	for name, age := range map[string]time.Duration{
		"for a fresh answer":              time.Minute,
		"for one that is past its middle": 35 * time.Minute, // of an hour
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			serve := func(age time.Duration) *lab.Responder {
				r, err := lab.NewResponder(lab.ResponderOptions{CA: w.pki.Intermediate, Backdate: age})
				if err != nil {
					t.Fatal(err)
				}
				w.serve(r)
				return r
			}
			serve(40 * time.Minute)
			w.issue("site.pem", lab.IssueOptions{})
			w.once("generic")
			first := w.mustHold("site.pem")
			r := serve(age)
			w.once("generic")
			if !w.mustHold("site.pem").NewerThan(first) {
				t.Fatal("the staple was not renewed")
			}
			if got := r.Received(); got != 1 {
				t.Errorf("the responder was asked %d times, want once", got)
			}
		})
	}
}
