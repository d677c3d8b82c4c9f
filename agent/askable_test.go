package agent

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// TestURLsOfADirectoryAreNothingToSpeakOf is about what CAs of Microsoft write
// into each certificate: where their directory has the issuer, and then where it
// is to be had by HTTP.
func TestURLsOfADirectoryAreNothingToSpeakOf(t *testing.T) {
	const ldap = "ldap:///CN=CA,DC=corp,DC=example?cACertificate?base?objectClass=certificationAuthority"
	for _, row := range []struct {
		name  string
		leaf  lab.IssueOptions
		want  State
		warns int
	}{
		{"and HTTP", lab.IssueOptions{Responders: []string{"LDAP://dir.example/", a0}, CAIssuers: []string{ldap, "HTTP://ca.example/ca.cer"}}, Fresh, 0},
		{"alone, of the issuer", lab.IssueOptions{Responders: []string{a0}, CAIssuers: []string{ldap, "https://ca.example/ca.cer"}}, NoIssuer, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bubble) {
				b.issueLeaf("site.pem", row.leaf)
				b.behave("a.example", b.good(time.Hour, 0))
				var fetched []string
				b.fetch = func(_ context.Context, url string) ([]byte, error) {
					fetched = append(fetched, url)
					return b.pki.Intermediate.Certificate.Raw, nil
				}
				b.run(nil)
				b.pass(5 * time.Minute)
				if got := b.states(); got[row.want] != 1 {
					t.Errorf("states: %v, want %s", got, row.want)
				}
				if c := b.agent.Certificates(t.Context())[0]; (c.Error != "") != (c.State == NoIssuer) {
					t.Errorf("error: %q", c.Error)
				}
				if got := b.log.from(slog.LevelWarn, ""); len(got) != row.warns {
					t.Errorf("said aloud: %v, want %d lines", got, row.warns)
				}
				if want := 1 - row.warns; len(fetched) != want {
					t.Errorf("fetched: %q, want %d", fetched, want)
				}
			})
		})
	}
	t.Run("alone, of the responder", func(t *testing.T) {
		if got := askable([]string{"ldap://dir.example/"}); len(got) != 1 {
			t.Errorf("got %q: that it cannot be asked would be said nowhere", got)
		}
	})
}
