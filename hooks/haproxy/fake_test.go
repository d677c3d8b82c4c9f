package haproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// fake answers as no HAProxy that can be had at will does. It returns its
// address and what it was told, one command to a line.
func fake(t *testing.T, answer func(command string, w io.Writer)) (address string, told func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var commands []string
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				command, _ := bufio.NewReader(conn).ReadString('\n')
				mu.Lock()
				commands = append(commands, strings.TrimSpace(command))
				mu.Unlock()
				answer(command, conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return l.Addr().String(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return commands
	}
}

// staples are n staples of no certificate that HAProxy would need to know.
func staples(t testing.TB, n int) disk {
	t.Helper()
	b := &bench{}
	var err error
	if b.pki, err = lab.NewPKI(lab.PKIOptions{}); err != nil {
		t.Fatal(err)
	}
	leaf, err := b.pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"a.test"}})
	if err != nil {
		t.Fatal(err)
	}
	d := disk{}
	for i := range n {
		d[fmt.Sprintf("/certs/%03d.pem", i)] = b.respond(t, leaf, time.Minute, nil)
	}
	return d
}

func TestADeadHAProxyIsGivenUp(t *testing.T) {
	t.Run("no socket", func(t *testing.T) {
		h, _ := newHook(t, Options{Address: t.TempDir() + "/none.sock"}, nil)
		d := staples(t, 100)
		h.options.Read = d.read
		err := h.Deliver(t.Context(), d.all())
		if err == nil || !strings.Contains(err.Error(), "is HAProxy running") || !strings.Contains(err.Error(), "99 more not told") {
			t.Errorf("got %v", err)
		}
		if _, err := h.Identity(t.Context()); err == nil {
			t.Error("got an identity")
		}
	})
	t.Run("no reply", func(t *testing.T) {
		const timeout = 200 * time.Millisecond
		address, told := fake(t, func(_ string, w io.Writer) { io.Copy(io.Discard, w.(net.Conn)); time.Sleep(4 * timeout) })
		d := staples(t, 100)
		h, _ := newHook(t, Options{Address: address, Timeout: timeout}, d)
		err := h.Deliver(t.Context(), d.all())
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "97 more not told") {
			t.Errorf("got %v, want a timeout and how many were not told", err)
		}
		// The last may be read only now.
		for deadline := time.Now().Add(patience); len(told()) < maxDead && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if n := len(told()); n != maxDead {
			t.Errorf("said %d commands, want it given up after %d", n, maxDead)
		}
	})
	t.Run("a reply without end", func(t *testing.T) {
		address, _ := fake(t, func(_ string, w io.Writer) {
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		})
		d := staples(t, 1)
		h, _ := newHook(t, Options{Address: address}, d)
		if err := h.Deliver(t.Context(), d.all()); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("got %v, want the reply cut off", err)
		}
	})
	t.Run("the delivery is called off", func(t *testing.T) {
		address, _ := fake(t, func(_ string, w io.Writer) { io.Copy(io.Discard, w.(net.Conn)) })
		d := staples(t, 1)
		h, _ := newHook(t, Options{Address: address}, d)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("called off"))
		if err := h.Deliver(ctx, d.all()); err == nil {
			t.Error("got no error")
		}
	})
}

// TestAnOldWorkerThatDoesNotAnswerIsToldNoMore: or a burst of changes would wait
// for it as often as there are changes.
func TestAnOldWorkerThatDoesNotAnswerIsToldNoMore(t *testing.T) {
	over := make(chan struct{})
	address, told := fake(t, func(command string, w io.Writer) {
		switch {
		case strings.HasPrefix(command, "show proc"):
			fmt.Fprint(w, "#<PID> <type>\n1 master\n# workers\n200 worker\n# old workers\n300 worker\n301 worker\n\n")
		case strings.HasPrefix(command, "@!300 "):
			<-over
		}
	})
	t.Cleanup(func() { close(over) })
	d := staples(t, 10)
	h, _ := newHook(t, Options{Address: address, Master: true, Timeout: 2 * time.Second}, d)
	_ = h.Deliver(t.Context(), d.all()) // the current worker says nothing that would be a success
	asked := func(prefix string) (n int) {
		for _, c := range told() {
			if strings.HasPrefix(c, prefix) {
				n++
			}
		}
		return n
	}
	// The last may be read only now.
	for deadline := time.Now().Add(patience); asked("@!301 ") < len(d) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if silent, other := asked("@!300 "), asked("@!301 "); silent != 1 || other != len(d) {
		t.Errorf("told the silent one %d times and the other one %d times, want 1 and %d", silent, other, len(d))
	}
}

func TestOneFailureDoesNotStopTheOthersAndTheErrorIsBounded(t *testing.T) {
	address, told := fake(t, func(command string, w io.Writer) {
		if strings.HasPrefix(command, "set") {
			io.WriteString(w, strings.Repeat("no\x1b[31m way ", 1000))
		}
	})
	d := staples(t, 100)
	h, _ := newHook(t, Options{Address: address}, d)
	err := h.Deliver(t.Context(), d.all())
	if err == nil || !strings.Contains(err.Error(), "and 92 more") || len(err.Error()) > 4096 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got error of %d octets: %v", len(fmt.Sprint(err)), err)
	}
	if n := len(told()); n != 100 {
		t.Errorf("said %d commands, want 100", n)
	}
}

func TestWhatHAProxySaysIsJudged(t *testing.T) {
	const (
		none    = "Certificate ID does not match any certificate.\n\n"
		absent  = "OCSP single response: Certificate ID does not match any certificate or issuer.\n\n"
		updated = "OCSP Response updated!\n\n"
		another = "OCSP Response Data:\n Signature Algorithm: x\n  00:01\n\n"
		loaded  = "# filename\n/certs/000.pem\n\n"
	)
	d := staples(t, 1)
	r, err := parse(d["/certs/000.pem"])
	if err != nil {
		t.Fatal(err)
	}
	ours := "OCSP Response Data:\n Signature Algorithm: x\n " + strings.ReplaceAll(fmt.Sprintf("% x", r.signature), " ", ":") + "\n\n"
	good := map[string]string{ // by the beginning of the command
		"show ssl ocsp-response":  ours,
		"show ssl cert\n":         loaded,
		"show ssl cert /certs":    "Serial: " + strings.ToUpper(r.serial) + "\n\n",
		"abort ssl cert *":        "No ongoing transaction!\n\n",
		"set ssl ocsp-response":   absent,
		"set ssl cert /certs":     "Transaction created for certificate /certs/000.pem!\n\n",
		"commit ssl cert /certs/": "Committing /certs/000.pem.\nSuccess!\n\n",
		"abort ssl cert /certs/":  "Transaction aborted for certificate '/certs/000.pem'!\n\n",
	}
	for _, test := range []struct {
		name    string
		replies map[string]string
		want    string // in the error
		last    string // command
	}{
		{"a transaction", nil, "", "show ssl ocsp-response"},
		{"an update", map[string]string{"set ssl ocsp-response": updated}, "", "show ssl ocsp-response"},
		{"an update that came to nothing", map[string]string{"show ssl ocsp-response": another, "set ssl ocsp-response": updated}, "does not have it", "show ssl ocsp-response"},
		{"nothing said to an update", map[string]string{"set ssl ocsp-response": ""}, "tune.bufsize", "set ssl ocsp"},
		{"more than success said", map[string]string{"set ssl ocsp-response": "OCSP Response updated! Not.\n"}, "Not.", "set ssl ocsp"},
		{"nothing said to a transaction", map[string]string{"set ssl cert /certs": ""}, "nothing", "abort ssl cert"},
		{"somebody's transaction joined", map[string]string{"set ssl cert /certs": "Transaction updated for certificate /certs/000.pem!\n"}, "Transaction updated", "set ssl cert"},
		{"a commit refused", map[string]string{"commit ssl cert /certs/": "Can't commit!\n"}, "Can't commit", "abort ssl cert"},
		{"nothing said to a commit", map[string]string{"commit ssl cert /certs/": ""}, "nothing", "abort ssl cert"},
		{"a commit without effect", map[string]string{"show ssl ocsp-response": none}, "does not have it", "show ssl ocsp-response"},
		{"an abort refused", map[string]string{"commit ssl cert /certs/": "No!\n", "abort ssl cert /certs/": "Never!\n"}, "Never!", "abort ssl cert"},
		{"no right to set", map[string]string{"set ssl ocsp-response": "Permission denied\n\n"}, "level admin", "set ssl ocsp-response"},
		{"no right to look", map[string]string{"set ssl ocsp-response": updated, "show ssl ocsp-response": "Permission denied\n\n"}, "level admin", "show ssl ocsp-response"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, told := fake(t, func(command string, w io.Writer) {
				for begin, reply := range good {
					if !strings.HasPrefix(command, begin) {
						continue
					}
					if other, ok := test.replies[begin]; ok {
						reply = other
					}
					io.WriteString(w, reply)
				}
			})
			h, _ := newHook(t, Options{Address: address}, d)
			err := h.Deliver(t.Context(), d.all())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q in it", err, test.want)
			}
			if all := told(); !strings.HasPrefix(all[len(all)-1], test.last) {
				t.Errorf("the last command was %q, want %q", all[len(all)-1], test.last)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ in, network, address string }{
		{"/run/haproxy/admin.sock", "unix", "/run/haproxy/admin.sock"},
		{"unix:/run/haproxy/admin.sock", "unix", "/run/haproxy/admin.sock"},
		{"127.0.0.1:9999", "tcp", "127.0.0.1:9999"},
		{"[::1]:9999", "tcp", "[::1]:9999"},
		{"haproxy.test:9999", "tcp", "haproxy.test:9999"},
		{"", "", ""}, {"unix:", "", ""}, {"admin.sock", "", ""}, {":9999", "", ""}, {"host:", "", ""},
	} {
		network, address, err := splitAddress(test.in)
		if network != test.network || address != test.address || (err == nil) != (test.network != "") {
			t.Errorf("%q: got %q, %q, %v, want %q, %q", test.in, network, address, err, test.network, test.address)
		}
	}
}
