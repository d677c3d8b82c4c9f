package profile

import (
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/staple"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// plain is a staple that every server takes. Rows change one thing each.
func plain() *staple.Staple {
	return &staple.Staple{
		Status: staple.Good, Singles: 1, Hash: crypto.SHA1,
		ThisUpdate: noon.Add(-time.Hour), NextUpdate: noon.Add(time.Hour), Expires: noon.Add(time.Hour),
	}
}

func TestHAProxyWantsTheIssuerWhereItLooks(t *testing.T) {
	for _, row := range []struct {
		name, cert, staple, issuer string
		want                       bool
	}{
		{"in the same file", "/c/x.pem", "/c/x.pem.ocsp", "/c/x.pem", true},
		{"beside it", "/c/x.pem", "/c/x.pem.ocsp", "/c/x.pem.issuer", true},
		{"beside it, without the extension", "/c/x.crt", "/c/x.crt.ocsp", "/c/x.issuer", false},
		{"ssl-load-extra-del-ext", "/c/x.crt", "/c/x.ocsp", "/c/x.issuer", true},
		{"chain.pem", "/c/x.pem", "/c/x.pem.ocsp", "/c/chain.pem", false},
		{"a directory of issuers, or nowhere", "/c/x.pem", "/c/x.pem.ocsp", "", false},
		{"a staple elsewhere", "/c/x.pem", "/s/x.ocsp", "/c/x.pem.issuer", false},
	} {
		for _, p := range all() {
			err := p.Finds(row.cert, row.staple, row.issuer)
			if want := row.want || p.Name != "haproxy"; (err == nil) != want {
				t.Errorf("%s, %s: got %v, want it found: %v", p.Name, row.name, err, want)
			}
		}
		if err := haproxy().WithReserve().WithIssuersKnown().Finds(row.cert, row.staple, row.issuer); err != nil {
			t.Errorf("issuers-chain-path, %s: got %v", row.name, err)
		}
	}
}

// TestWhatServersRefuse is what was measured on the servers themselves.
func TestWhatServersRefuse(t *testing.T) {
	for _, row := range []struct {
		name    string
		change  func(*staple.Staple)
		refused []string
	}{
		{name: "good"},
		{name: "a certificate that clients cannot read", change: func(s *staple.Staple) { s.Unreadable = 1 }, refused: Names()},
		{name: "two SingleResponses", change: func(s *staple.Staple) { s.Singles = 2 }, refused: []string{"haproxy", "envoy"}},
		{name: "SHA-256 CertID", change: func(s *staple.Staple) { s.Hash = crypto.SHA256 }, refused: []string{"haproxy", "hitch"}},
		{name: "no nextUpdate", change: func(s *staple.Staple) { s.NextUpdate = time.Time{} }, refused: []string{"haproxy", "envoy"}},
		{name: "300 s left", change: func(s *staple.Staple) { s.NextUpdate = noon.Add(300 * time.Second) }, refused: []string{"haproxy"}},
		{name: "301 s left", change: func(s *staple.Staple) { s.NextUpdate = noon.Add(301 * time.Second) }},
		{name: "revoked", change: func(s *staple.Staple) { s.Status = staple.Revoked }, refused: []string{"hitch", "exim"}},
		{name: "unknown", change: func(s *staple.Staple) { s.Status = staple.Unknown }, refused: []string{"haproxy", "hitch"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := plain()
			if row.change != nil {
				row.change(s)
			}
			for _, p := range all() {
				err := p.Accept(s, noon)
				if want := slices.Contains(row.refused, p.Name); (err != nil) != want {
					t.Errorf("%s: %v, want refused %v", p.Name, err, want)
				}
				if r, ok := errors.AsType[*Refusal](err); err != nil && (!ok || r.Server != p.Name || r.Detail == "") {
					t.Errorf("%s: %v is not a refusal in its name", p.Name, err)
				}
			}
		})
	}
}

func TestWithdrawing(t *testing.T) {
	want := map[string]map[Cause]Way{
		"generic":       {Ending: Remove, Renewed: Remove, Revoked: Remove, Damaged: Remove},
		"nginx":         {Ending: Placeholder, Renewed: Placeholder, Revoked: Placeholder, Damaged: Placeholder, Absent: Placeholder},
		"haproxy":       {Ending: Leave, Renewed: Leave, Revoked: Remove, Damaged: Remove, Stranded: Remove},
		"lighttpd":      {Ending: Remove, Renewed: Remove, Revoked: Remove, Damaged: Remove},
		"hitch":         nil,
		"exim":          {Ending: Remove, Renewed: Remove, Revoked: Remove, Damaged: Remove},
		"trafficserver": {Ending: Placeholder, Renewed: Placeholder, Revoked: Placeholder, Damaged: Placeholder, Absent: Placeholder},
		"envoy":         nil,
	}
	for _, name := range Names() {
		p, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		w, listed := want[name]
		if !listed {
			t.Errorf("no row for %s", name)
		}
		for _, c := range []Cause{Ending, Renewed, Revoked, Damaged, Absent, Stranded} {
			if p.Withdraw[c] != w[c] {
				t.Errorf("%s, %s: %q, want %q", name, c, p.Withdraw[c], w[c])
			}
		}
	}
}

func TestVariantsLeaveTheProfileAlone(t *testing.T) {
	p, err := ByName("nginx")
	if err != nil {
		t.Fatal(err)
	}
	if s := p.WithSnippet(); s.Withdraw[Absent] != "" || s.Withdraw[Ending] != Remove || p.Withdraw[Ending] != Placeholder {
		t.Errorf("with a snippet: %v, without: %v", s.Withdraw, p.Withdraw)
	}
	h, err := ByName("haproxy")
	if err != nil {
		t.Fatal(err)
	}
	if r := h.WithReserve(); r.Withdraw[Absent] != Empty || r.Withdraw[Ending] != Leave || r.Withdraw[Stranded] != Remove || h.Withdraw[Absent] != "" {
		t.Errorf("with a reserve: %v, without: %v", r.Withdraw, h.Withdraw)
	}
}

func TestNames(t *testing.T) {
	if p, err := ByName(""); err != nil || p.Name != "generic" {
		t.Errorf("no name: %v, %v", p, err)
	}
	_, err := ByName("ngnix")
	if err == nil || !strings.Contains(err.Error(), "nginx") {
		t.Errorf("got %v, want an error that lists the names", err)
	}
}
