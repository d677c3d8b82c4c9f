package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Blocked is what keeps a server from being told.
type Blocked struct {
	Break, Mend func(s *Stage)
	Says        string // by the check of the hook
	Revoke      bool   // it takes a revocation for the hook to be run

	// Admin is the socket at which restaple's metrics are, and Name what
	// follows the address that it proves. Without them nobody asks for its
	// findings.
	Admin, Name string
}

// ProveBlocked shows that restaple says why it cannot tell the server, makes
// nothing worse, and tells it as soon as that goes.
func (e Example) ProveBlocked(t *testing.T, b Blocked) {
	t.Parallel()
	e.on(t).blocked(b)
}

func (p *play) blocked(b Blocked) {
	p.begin(p.Short)
	watches := p.watch()
	first := p.see(Good, time.Time{})
	served := p.looks()
	b.Break(p.Stage)
	if b.Revoke {
		for _, issued := range p.issued {
			p.Revoke(issued)
		}
	}
	<-time.After(time.Until(first.Add(p.Short.Age + 2*time.Second))) // there is a newer response each second
	if said := p.Refresh(1, "--force"); !strings.Contains(said, b.Says) {
		p.T.Errorf("restaple refresh: got no %q in\n%s", b.Says, said)
	}
	for i, c := range p.Certificates {
		if bytes.Equal(p.onDisk(p.staple(c)), served[i].Staple) {
			p.T.Errorf("%s: nothing has changed on disk", c.Chain)
		}
	}
	for i, now := range p.looks() {
		if !bytes.Equal(now.Staple, served[i].Staple) {
			p.T.Errorf("got %v, want the same as before, %v", now, served[i])
		}
	}
	p.Agent()
	p.finds(b, "0")
	b.Mend(p.Stage)
	if b.Revoke {
		p.see(p.Missing, time.Time{})
	} else {
		p.see(Good, first)
	}
	p.finds(b, "1")
	p.end(watches)
}

// looks looks at each certificate once.
func (p *play) looks() (out []Sight) {
	p.T.Helper()
	for i := range p.Certificates {
		sight, err := p.client(i).Look()
		if err != nil {
			p.T.Fatalf("the server does not go on: %v", err)
		}
		out = append(out, sight)
	}
	return out
}

// finds waits until restaple's metrics say whether what is served is what is
// on disk.
func (p *play) finds(b Blocked, matches string) {
	p.T.Helper()
	if b.Admin == "" {
		return
	}
	begin := fmt.Sprintf("restaple_served_matches_disk{address=%q,", p.address+b.Name)
	p.until("the metric is "+matches, func() error {
		metrics, err := scrape(p.Path(b.Admin))
		if err != nil {
			return err
		}
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, begin) {
				if strings.HasSuffix(line, "} "+matches+"\n") {
					return nil
				}
				return fmt.Errorf("got %s", line)
			}
		}
		return errors.New("got no such metric")
	})
}

func scrape(socket string) (string, error) {
	client := &http.Client{
		Timeout: lookTime,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
		},
	}
	response, err := client.Get("http://localhost/metrics")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}
