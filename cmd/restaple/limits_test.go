package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
)

// TestGuardIsAsConfigured has certificates name addresses. A proxy leads all of
// them to the responder, so that nothing is dialled there: what stands in a URL
// is judged even so.
func TestGuardIsAsConfigured(t *testing.T) {
	const metadata, private, public = "169.254.169.254", "10.1.2.3", "192.0.2.7"
	s := newScene(t)
	to := strings.TrimSuffix(strings.TrimPrefix(s.issued.Certificate.OCSPServer[0], "http://"), "/")
	all := []string{metadata, private, public}
	for _, address := range all {
		s.issue(address+".pem", "http://"+address+"/")
	}
	for _, row := range []struct {
		name    string
		lines   []string
		refused map[string]string // with what the refusal names
	}{
		{name: "by default", refused: map[string]string{metadata: "allow: [169.254.0.0/16]"}},
		{name: "strict", lines: []string{"guard: strict"},
			refused: map[string]string{metadata: "allow: [169.254.0.0/16]", private: "allow: [10.0.0.0/8]"}},
		{name: "strict, and one let through", lines: []string{"guard: strict", "allow: [10.1.2.0/24]"},
			refused: map[string]string{metadata: "allow: [169.254.0.0/16]"}},
		{name: "more is denied", lines: []string{"allow: [169.254.0.0/16, 192.0.2.0/24]", "deny: [192.0.2.0/25]"},
			refused: map[string]string{public: "deny: [192.0.2.0/25]"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &forwarder{to: to}
			path := s.config(append(row.lines, "proxy: http://"+serve(t, f))...)
			_, out, errs := command(t, "refresh", "--force", "-o", "json", "--config", path)
			var through []string
			for _, address := range all {
				c, want := readReport(t, out)[address+".pem"], ""
				if row.refused[address] == "" {
					through = append(through, address)
				} else {
					want = "address-refused"
				}
				if c.Reason != want || !strings.Contains(c.Error, row.refused[address]) {
					t.Errorf("%s: reason %q (%s), want %q and %q named\n%s", address, c.Reason, c.Error, want, row.refused[address], errs)
				}
			}
			hosts, _ := f.seen()
			slices.Sort(hosts)
			slices.Sort(through)
			if !slices.Equal(hosts, through) {
				t.Errorf("asked at %v, want %v", hosts, through)
			}
		})
	}
}

// TestTimeoutsAreAsConfigured has a responder that does not answer, and one that
// is connected to and does not begin TLS.
func TestTimeoutsAreAsConfigured(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		lines []string // HOST is the responder's
		tls   bool
		want  string // in the error: a whole exchange and a connection end with other words
	}{
		{name: "for all", lines: []string{"timeout: 200ms"}, want: "no whole answer within 200ms"},
		{name: "for one", lines: []string{"timeout: 20s", "responders: [{host: 'HOST', timeout: 200ms}]"}, want: "no whole answer within 200ms"},
		{name: "to connect to any", lines: []string{"connect_timeout: 200ms"}, tls: true, want: "timeout"},
		{name: "to connect to one", lines: []string{"connect_timeout: 20s", "responders: [{host: 'HOST', connect_timeout: 200ms}]"},
			tls: true, want: "timeout"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // they wait more than they do
			s := newScene(t)
			if err := s.responder.SetFault("hang"); err != nil {
				t.Fatal(err)
			}
			url := s.issued.Certificate.OCSPServer[0]
			if row.tls {
				l, err := net.Listen("tcp", "127.0.0.1:0") // and nobody accepts
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
				url = "https://" + l.Addr().String() + "/"
				s.issue("tls.pem", url)
			}
			host := strings.TrimSuffix(url[strings.Index(url, "//")+2:], "/")
			lines := strings.ReplaceAll(strings.Join(row.lines, "\n"), "HOST", host)
			_, out, errs := s.configured("allow: [127.0.0.0/8]", lines)
			certs := readReport(t, out)
			if len(certs) != 1 {
				t.Fatalf("%s%s", out, errs)
			}
			for _, c := range certs {
				if c.State != agent.Missing || c.Reason != "timeout" || !strings.Contains(c.Error, row.want) {
					t.Errorf("state %s, reason %q (%s), want %q\n%s", c.State, c.Reason, c.Error, row.want, errs)
				}
			}
		})
	}
}

// TestRateOfAResponderIsKept can only see that it is not exceeded: a busy machine
// is slower.
func TestRateOfAResponderIsKept(t *testing.T) {
	const certificates, perSecond = 4, 8
	s := newScene(t)
	for i := range certificates {
		s.issue(fmt.Sprintf("%d.pem", i), s.issued.Certificate.OCSPServer[0])
	}
	start := time.Now()
	code, out, errs := s.configured("allow: [127.0.0.0/8]", fmt.Sprintf("responders: [{host: '*', rate: %d}]", perSecond))
	if took, least := time.Since(start), (certificates-1)*time.Second/perSecond; took < least {
		t.Errorf("%d certificates at %d a second took %v, want at least %v", certificates, perSecond, took, least)
	}
	if asked := s.responder.Received(); code != exitOK || asked != certificates {
		t.Errorf("exit %d, asked %d times\n%s%s", code, asked, out, errs)
	}
}

// TestScheduleIsAsConfigured has a staple that is past the middle of its life, and
// not yet in the last quarter, which waits for no schedule.
func TestScheduleIsAsConfigured(t *testing.T) {
	inHalfAYear := time.Now().AddDate(0, 6, 0)
	for _, row := range []struct {
		name, lines string
		want        int64 // requests
	}{
		{name: "by default", want: 1},
		{name: "half a year away", lines: fmt.Sprintf("schedule: '0 0 1 %d *'", inHalfAYear.Month())},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newScene(t)
			since := time.Now().Add(-39 * time.Minute)
			der, err := s.pki.Intermediate.Vouch(s.issued.Certificate, since, since.Add(time.Hour)).Encode()
			if err != nil {
				t.Fatal(err)
			}
			s.write(s.cert+".ocsp", der)
			if code, out, errs := s.configured("allow: [127.0.0.0/8]", row.lines); code != exitOK || s.responder.Received() != row.want {
				t.Errorf("exit %d, %d requests, want %d\n%s%s", code, s.responder.Received(), row.want, out, errs)
			}
		})
	}
}
