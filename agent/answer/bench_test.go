package answer_test

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkAnswers measures what an answer over a real connection takes of the
// processor, beside a bare handler of net/http that writes the same bytes. The
// last metric is what is left of the bare handler's answers per second.
func BenchmarkAnswers(b *testing.B) {
	w := newWorld(b)
	leaf := w.manage("site.pem")
	w.log = slog.New(slog.DiscardHandler)
	w.pass()
	w.serve()
	der := w.request(leaf, crypto.SHA1)
	same := w.post(der).body
	bare := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // as a server of files would
		rw.Header().Set("Content-Type", "application/ocsp-response")
		rw.Header().Set("Content-Length", strconv.Itoa(len(same)))
		_, _ = rw.Write(same) // the client is here
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: bare} // without the limits of ours, too
	go func() { _ = server.Serve(l) }()   // ends with the benchmark
	b.Cleanup(func() { server.Close() })
	bareAt, ourAt := l.Addr().String(), strings.TrimPrefix(w.url, "http://")

	for _, method := range []string{http.MethodGet, http.MethodPost} {
		raw := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", inPath(der))
		if method == http.MethodPost {
			raw = fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: %d\r\n\r\n%s", len(der), der)
		}
		b.Run(method, func(b *testing.B) {
			// In turns, so that what else the machine does hits both.
			const turn = 500
			var took [2]time.Duration
			clients := [2]*client{newClient(b, bareAt, raw, same), newClient(b, ourAt, raw, same)}
			for b.Loop() {
				for i, c := range clients {
					start := processorTime(b)
					c.ask(b, turn)
					took[i] += processorTime(b) - start
				}
			}
			answers := float64(b.N * turn)
			ratio := took[0].Seconds() / took[1].Seconds()
			b.ReportMetric(float64(took[0].Microseconds())/answers, "bare-cpu-µs")
			b.ReportMetric(float64(took[1].Microseconds())/answers, "cpu-µs")
			b.ReportMetric(ratio, "ratio")
			if answers >= 20_000 && ratio < 0.7 {
				b.Errorf("got %.2f of what a bare handler does, want at least 0.7", ratio)
			}
		})
	}
}

// processorTime is what this process has used: the server, since clients are
// processes of their own.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// clientVariable says in the environment that the process is a client.
const clientVariable = "RESTAPLE_BENCHMARK_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(clientVariable) == "" {
		os.Exit(m.Run())
	}
	if err := serveLoad(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// client is a process that asks.
type client struct {
	to   *json.Encoder
	from *json.Decoder
}

// load is what a client asks: the same over a few connections that stay open,
// with as little work as can be.
type load struct {
	Address   string
	Raw, Want []byte
	conns     []net.Conn
}

func newClient(b *testing.B, address, raw string, want []byte) *client {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), clientVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("client: %v", err)
		}
	})
	c := &client{json.NewEncoder(in), json.NewDecoder(out)}
	if err := c.to.Encode(load{Address: address, Raw: []byte(raw), Want: want}); err != nil {
		b.Fatal(err)
	}
	return c
}

// ask has the client ask n times.
func (c *client) ask(b *testing.B, n int) {
	var asked int
	if err := errors.Join(c.to.Encode(n), c.from.Decode(&asked)); err != nil {
		b.Fatal(err)
	}
}

// serveLoad is what a client does: it reads what it is to ask, and then how
// often, again and again, and says when it has.
func serveLoad(r io.Reader, w io.Writer) error {
	var l load
	orders, reports := json.NewDecoder(r), json.NewEncoder(w)
	if err := orders.Decode(&l); err != nil {
		return err
	}
	for range 4 {
		c, err := net.Dial("tcp", l.Address)
		if err != nil {
			return err
		}
		defer c.Close()
		l.conns = append(l.conns, c)
	}
	for {
		var n int
		if err := orders.Decode(&n); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := l.run(n); err != nil {
			return err
		}
		if err := reports.Encode(n); err != nil {
			return err
		}
	}
}

// run asks n times over all connections together.
func (l *load) run(n int) error {
	done := make(chan error, len(l.conns))
	for _, c := range l.conns {
		go func() { done <- l.ask(c, n/len(l.conns)) }()
	}
	var err error
	for range l.conns {
		err = errors.Join(err, <-done)
	}
	return err
}

func (l *load) ask(c net.Conn, n int) error {
	buf := make([]byte, 8<<10)
	for range n {
		if _, err := c.Write(l.Raw); err != nil {
			return err
		}
		got := 0
		for !bytes.HasSuffix(buf[:got], l.Want) {
			m, err := c.Read(buf[got:])
			if err != nil {
				return err
			}
			got += m
		}
		if !bytes.HasPrefix(buf[:got], []byte("HTTP/1.1 200 OK\r\n")) {
			return fmt.Errorf("got %q", buf[:got])
		}
	}
	return nil
}
