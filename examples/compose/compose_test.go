package compose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/restaple/restaple/examples/internal/stage"
)

func TestMain(m *testing.M) { stage.Main(m) }

// TestTheWalk runs the commands of README.md, one after the other.
func TestTheWalk(t *testing.T) {
	s := newStack(t)
	w := &walk{stack: s, commands: commandsOf(t)}
	w.next("up --detach")
	everybody := []string{"nginx", "haproxy", "apache"}
	for _, server := range everybody {
		w.sees(server, "good")
		w.next("exec restaple restaple check --connect " + server)
	}
	w.next("stop lab")
	w.next("restart apache")
	w.sees("apache", "good")
	w.next("exec restaple restaple check --connect apache")
	w.next("start lab")

	for _, server := range everybody {
		w.next("exec lab restaple lab revoke /lab " + server)
	}
	w.fails("exec restaple restaple refresh")
	w.sees("nginx", "none")
	w.sees("apache", "none")
	w.sees("haproxy", "good") // which nothing but its end or a restart can take
	w.fails("exec restaple restaple check --connect nginx")

	for _, server := range everybody {
		w.next("exec lab restaple lab good /lab " + server)
	}
	w.next("exec restaple restaple refresh")
	for _, server := range everybody {
		w.sees(server, "good")
	}
	w.next("exec restaple restaple check --connect nginx")

	w.next("exec lab restaple lab forget /lab nginx")
	w.next("exec restaple restaple refresh")
	w.next("exec restaple restaple check --connect nginx")
	w.sees("nginx", "good")
	w.next("down --volumes")
	w.next("up --detach")
	for _, server := range everybody {
		w.sees(server, "good")
	}
	if len(w.commands) > 0 {
		t.Errorf("not walked: %q", w.commands)
	}
}

// commandsOf are the commands in README.md.
func commandsOf(t *testing.T) (commands []string) {
	t.Helper()
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if command, ok := strings.CutPrefix(line, "    docker compose "); ok {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	return commands
}

type walk struct {
	*stack
	commands []string
}

// next runs the next command, which has to begin as given and to succeed.
func (w *walk) next(begins string) {
	w.T.Helper()
	if said, code := w.step(begins); code != 0 {
		w.T.Fatalf("%s: exit code %d\n%s", begins, code, said)
	}
}

// fails is like next for a command that has bad news.
func (w *walk) fails(begins string) {
	w.T.Helper()
	if said, code := w.step(begins); code != 1 {
		w.T.Fatalf("%s: exit code %d, want 1\n%s", begins, code, said)
	}
}

func (w *walk) step(begins string) (said string, code int) {
	w.T.Helper()
	if len(w.commands) == 0 || !strings.HasPrefix(w.commands[0], begins) {
		w.T.Fatalf("got %q, want a command that begins with %q", w.commands, begins)
	}
	words := strings.Fields(w.commands[0])
	w.commands = w.commands[1:]
	switch words[0] {
	case "up":
		w.up()
	case "down": // the volumes stay, as if there was no --volumes
		for _, p := range w.processes {
			_ = p.Stop() // how a server takes SIGTERM is its own affair
		}
	case "stop", "restart":
		_ = w.processes[words[1]].Stop() // how a server takes SIGTERM is its own affair
		if words[0] == "restart" {
			w.start(words[1])
		}
	case "start":
		w.start(words[1])
	case "exec":
		args := w.arguments(words[1], words[3:]) // after the service and restaple
		return w.Run(args[0], args[1:]...)
	}
	return "", 0
}

// sees waits until a client sees a server with a staple of a kind, and the page
// behind it.
func (w *walk) sees(server, kind string) {
	w.T.Helper()
	pem, err := os.ReadFile(w.Path("/vol/lab/root.pem"))
	if err != nil {
		w.T.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			d := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: server + ".test"}}
			return d.DialContext(ctx, "tcp", w.addresses[server+":443"])
		},
		DisableKeepAlives: true,
	}}
	w.until(server+" serves the page with the staple "+kind, func() bool {
		resp, err := client.Get("https://" + server + ".test/")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(body), "behind the staple") {
			w.T.Fatalf("%s: %v\n%s", server, err, body)
		}
		return kindOf(w.T, resp.TLS) == kind
	})
	if server == "nginx" {
		w.until("nginx's worker from before a reload has ended", func() bool { return len(w.workers()) == 1 })
	}
}

// workers are the processes that nginx's master has.
func (w *walk) workers() []string {
	w.T.Helper()
	pid, err := os.ReadFile(w.Path("/vol/nginx-run/nginx.pid"))
	if err != nil {
		w.T.Fatal(err)
	}
	master := strings.TrimSpace(string(pid))
	children, err := os.ReadFile("/proc/" + master + "/task/" + master + "/children")
	if err != nil {
		w.T.Fatal(err)
	}
	return strings.Fields(string(children))
}

// kindOf judges a staple by other code than restaple's own.
func kindOf(t *testing.T, state *tls.ConnectionState) string {
	t.Helper()
	if len(state.OCSPResponse) == 0 || string(state.OCSPResponse) == "\x30\x03\x0a\x01\x03" {
		return "none" // or the placeholder, which says as much
	}
	r, err := ocsp.ParseResponseForCert(state.OCSPResponse, state.VerifiedChains[0][0], state.VerifiedChains[0][1])
	if err != nil {
		t.Fatalf("a staple that is none: %v", err)
	}
	return map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked", ocsp.Unknown: "unknown"}[r.Status]
}
