package agent_test

import (
	"os"
	"reflect"
	"testing"

	"github.com/restaple/restaple/agent"
	"github.com/restaple/restaple/agent/lab"
)

func TestTallyCountsWhatIsListed(t *testing.T) {
	w := newWorld(t)
	count := func(a *agent.Agent) agent.Tally {
		want := agent.Tally{States: make(map[agent.State]int)}
		for _, c := range a.Certificates(t.Context()) {
			want.States[c.State]++
			if !c.OK {
				want.Failing++
			}
		}
		return want
	}
	a := w.run("nginx")
	issued := w.issue("site.pem", lab.IssueOptions{})
	for _, step := range []struct {
		name   string
		change func() error
		state  agent.State // of one of them
		n      int
	}{
		{"found", func() error { return nil }, agent.Fresh, 1},
		{"another", func() error { w.issue("other.pem", lab.IssueOptions{}); return nil }, agent.Fresh, 2},
		{"no responder", func() error { w.issue("other.pem", lab.IssueOptions{Responders: []string{}}); return nil }, agent.NoResponder, 2},
		{"must-staple", func() error {
			w.issue("other.pem", lab.IssueOptions{Responders: []string{}, MustStaple: true})
			return nil
		}, agent.NoResponder, 2},
		{"no issuer", func() error { w.write("other.pem", issued.CertPEM()); return nil }, agent.Fresh, 2}, // a copy of site.pem
		{"no longer a certificate", func() error { w.write("other.pem", []byte("rubbish")); return nil }, agent.Fresh, 1},
		{"a certificate again", func() error { w.issue("other.pem", lab.IssueOptions{}); return nil }, agent.Fresh, 2},
		{"gone", func() error { return os.Remove(w.path("other.pem")) }, agent.Fresh, 1},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		eventually(t, step.name, func() bool {
			want := count(a)
			total := 0
			for _, n := range want.States {
				total += n
			}
			got, ok := a.Tally(t.Context())
			return ok && want.States[step.state] > 0 && total == step.n && reflect.DeepEqual(got, want)
		})
	}
}
