package answer_test

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/answer"
)

// BenchmarkAnswers measures answers per second over real connections, beside a
// bare handler of net/http that writes the same bytes. The last metric is what
// is left of the bare handler's.
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
	go func() { _ = answer.Serve(b.Context(), l, bare, w.log) }() // ends with the benchmark
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
			loads := [2]*load{newLoad(b, bareAt, raw, same), newLoad(b, ourAt, raw, same)}
			for b.Loop() {
				for i, l := range loads {
					start := time.Now()
					l.run(turn)
					took[i] += time.Since(start)
				}
			}
			perSecond := func(d time.Duration) float64 { return float64(b.N*turn) / d.Seconds() }
			b.ReportMetric(perSecond(took[0]), "bare/s")
			b.ReportMetric(perSecond(took[1]), "answers/s")
			b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "ratio")
		})
	}
}

// load asks the same over a few connections that stay open, with as little
// work as can be.
type load struct {
	b     *testing.B
	conns []net.Conn
	raw   []byte
	want  []byte
}

func newLoad(b *testing.B, address, raw string, want []byte) *load {
	l := &load{b: b, raw: []byte(raw), want: want}
	for range 4 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		l.conns = append(l.conns, c)
	}
	return l
}

// run asks n times over each connection.
func (l *load) run(n int) {
	done := make(chan error, len(l.conns))
	for _, c := range l.conns {
		go func() { done <- l.ask(c, n/len(l.conns)) }()
	}
	for range l.conns {
		if err := <-done; err != nil {
			l.b.Fatal(err)
		}
	}
}

func (l *load) ask(c net.Conn, n int) error {
	buf := make([]byte, 8<<10)
	for range n {
		if _, err := c.Write(l.raw); err != nil {
			return err
		}
		got := 0
		for !bytes.HasSuffix(buf[:got], l.want) {
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
