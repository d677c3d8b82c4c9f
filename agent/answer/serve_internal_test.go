package answer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener within a bubble, where no network reaches.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func TestAClientHasLittleTime(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 80\r\n"
	for _, test := range []struct {
		name, says string
		after      time.Duration // until the connection is closed
		answered   bool
	}{
		{"that says nothing", "", headerTime, false},
		{"with half a header", head, headerTime, false},
		{"with half a body", head + "\r\nhalf", readTime, true},
		{"that has its answer and stays", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", idleTime, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				a := &Answerer{counters: new(counters)}
				go func() { served <- Serve(ctx, l, a, slog.New(slog.DiscardHandler)) }()
				conn := l.dial()
				start := time.Now()
				if _, err := io.WriteString(conn, test.says); err != nil {
					t.Fatal(err)
				}
				r := bufio.NewReader(conn)
				resp, err := http.ReadResponse(r, nil)
				if (err == nil) != test.answered {
					t.Errorf("got %v, %v, want an answer: %v", resp, err, test.answered)
				}
				if err == nil {
					if body, err := io.ReadAll(resp.Body); err != nil || string(body) != string(malformedRequest.der()) {
						t.Errorf("got %x, %v, want malformedRequest", body, err)
					}
				}
				if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("got %v, want the end", err)
				}
				if got := time.Since(start); got < test.after || got > test.after+time.Second {
					t.Errorf("closed after %v, want %v", got, test.after)
				}
				conn.Close()
				cancel()
				if err := <-served; err != nil {
					t.Errorf("Serve: %v", err)
				}
			})
		})
	}
}

// TestClientsLeaveDescriptorsForEverythingElse: staples are written and responders
// asked by the same process.
func TestClientsLeaveDescriptorsForEverythingElse(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = 400
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, &Answerer{counters: new(counters)}, slog.New(slog.DiscardHandler)) }()
	const most = 400 / 4 / 2 // half of the quarter that all clients may have
	var conns []net.Conn
	for i := range most + 1 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // the last one is closed
		if _, err := conn.Read(make([]byte, 1)); (err == nil) != (i < most) {
			t.Errorf("connection %d of a client: %v, want an answer: %v", i+1, err, i < most)
		}
	}
	for _, conn := range conns {
		conn.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestOneClientLeavesRoomForOthers(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newPerClient(inner, 2)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func(from string) net.Conn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial("127.0.0.1")
	first := <-accepted
	dial("127.0.0.1")
	<-accepted
	surplus := dial("127.0.0.1")
	if err := surplus.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := surplus.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third connection of the same client is open: %v", err)
	}
	other := dial("127.0.0.2")
	if c := <-accepted; c.RemoteAddr().String() != other.LocalAddr().String() {
		t.Errorf("got a connection of %v, want that of the other client", c.RemoteAddr())
	}
	first.Close()
	first.Close() // as http.Server may
	dial("127.0.0.1")
	<-accepted
	if got := l.open[clientOf("127.0.0.1:1")]; got != 2 {
		t.Errorf("got %d connections counted, want 2", got)
	}
	inner.Close()
	<-accepted
}
