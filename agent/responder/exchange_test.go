package responder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

func TestRedirects(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	var hops int
	for _, row := range []struct {
		name     string
		hops     int
		location string // of the last
		code     int
		post     bool
		want     Kind
	}{
		{name: "one", hops: 1, code: 302},
		{name: "four", hops: 4, code: 307},
		{name: "five", hops: 5, code: 302, want: KindRedirect},
		{name: "POST stays POST", hops: 1, code: 301, post: true},
		{name: "to another scheme", hops: 1, location: "ftp://127.0.0.1/", code: 302, want: KindRedirect},
		{name: "to no URL", hops: 1, location: "http://a b/", code: 302, want: KindRedirect},
		{name: "to nowhere", hops: 1, location: "-", code: 302, want: KindRedirect},
	} {
		t.Run(row.name, func(t *testing.T) {
			hops = 0
			q := w.query()
			q.URL = serveFunc(t, func(rw http.ResponseWriter, r *http.Request) {
				hops++
				to := r.URL.RequestURI()
				if hops == row.hops {
					to = w.url + to
					if row.location != "" {
						to = row.location
					}
				}
				if to != "-" {
					rw.Header().Set("Location", to)
				}
				rw.WriteHeader(row.code)
			})
			if row.post {
				q.URL += "/?a=b"
			}
			a, err := w.client.Ask(t.Context(), q)
			if row.want != "" {
				checkError(t, a, err, row.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := outerStatus(a.DER); !ok || len(w.methods()) != 1 {
				t.Errorf("got %q", a.DER)
			}
		})
	}
}

// Servers redirect to add a slash.
func TestRedirectOnTheSameHostKeepsTheUser(t *testing.T) {
	for name, to := range map[string]string{"a path": "/ocsp/", "a whole URL": "http://other:user@%s/ocsp/"} {
		t.Run(name, func(t *testing.T) {
			url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
				user, password, _ := r.BasicAuth()
				switch {
				case user != "u" || password != "p":
					w.WriteHeader(http.StatusUnauthorized)
				case !strings.HasPrefix(r.URL.Path, "/ocsp/"):
					w.Header().Set("Location", strings.Replace(to, "%s", r.Host, 1))
					w.WriteHeader(http.StatusMovedPermanently)
				default:
					_, _ = w.Write([]byte{0x30, 3, 10, 1, 3})
				}
			})
			ask(t, newClient(t, Options{}), Query{URL: strings.Replace(url, "://", "://u:p@", 1) + "/?a=b", Chain: testChain(t)})
		})
	}
}

func TestRedirectTakesNoSecretsAlong(t *testing.T) {
	var elsewhere http.Header
	other := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		elsewhere = r.Header
		_, _ = w.Write([]byte{0x30, 3, 10, 1, 3})
	})
	var here http.Header
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		here = r.Header
		http.Redirect(w, r, other, http.StatusFound)
	})
	own := &Egress{Header: http.Header{"X-Api-Key": {"secret"}}}
	c := newClient(t, Options{Egress: func(host string) *Egress {
		if host == Host(url) {
			return own
		}
		return nil
	}})
	ask(t, c, Query{URL: strings.Replace(url, "://", "://u:p@", 1), Chain: testChain(t)})
	for _, name := range []string{"X-Api-Key", "Authorization"} {
		if here.Get(name) == "" || elsewhere.Get(name) != "" {
			t.Errorf("%s: %q to the responder, %q to another", name, here.Get(name), elsewhere.Get(name))
		}
	}
}

func TestAnswerAtTheLimitIsTaken(t *testing.T) {
	chain := testChain(t)
	for _, chunked := range []bool{false, true} {
		for size, want := range map[int]Kind{1000: "", 1001: KindTooLarge} {
			c := newClient(t, Options{MaxBody: 1000})
			url := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
				if chunked {
					w.(http.Flusher).Flush()
				}
				_, _ = w.Write(make([]byte, size))
			})
			a, err := c.Ask(t.Context(), Query{URL: url, Chain: chain})
			if want != "" {
				checkError(t, a, err, want)
			} else if err != nil || len(a.DER) != size {
				t.Errorf("%d octets: %v", size, err)
			}
		}
	}
}

func TestAnswersThatDoNotCome(t *testing.T) {
	for _, row := range []struct {
		fault lab.Fault
		want  Kind
	}{
		{"hang", KindTimeout},
		{"stall", KindTimeout},
		{"slow=1m", KindTimeout},
		{"cut", KindInterrupted},
		{"reset", KindInterrupted},
	} {
		t.Run(string(row.fault), func(t *testing.T) {
			w := newWorld(t, lab.ResponderOptions{})
			w.fault(t, row.fault)
			limit := 100 * time.Millisecond
			if row.want != KindTimeout {
				limit = time.Minute // a busy machine may be slow to see the end
			}
			c := newClient(t, Options{Timeout: limit})
			start := time.Now()
			e := askError(t, c, w.query(), row.want)
			if took := time.Since(start); took > 10*time.Second { // the usual limit is 15 s
				t.Errorf("took %v, want about 100ms at most", took)
			}
			if e.Verdict() != LaneSilent {
				t.Errorf("verdict: got %v, want silent", e.Verdict())
			}
			if row.want == KindTimeout && !strings.Contains(e.Error(), "no whole answer within 100ms") {
				t.Errorf("got %q", e)
			}
		})
	}
}

func TestTimeoutOfAnEgressCounts(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	w.fault(t, "hang")
	way := &Egress{Timeout: 50 * time.Millisecond}
	c := newClient(t, Options{Timeout: time.Hour, Egress: func(string) *Egress { return way }})
	askError(t, c, w.query(), KindTimeout)
}

func TestCallerWhoGivesUpIsNotTheRespondersFault(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	w.fault(t, "hang")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errors.New("enough")) })
	_, err := w.client.Ask(ctx, w.query())
	e := checkError(t, nil, err, KindCanceled)
	if e.Verdict() != LaneNeutral || !strings.Contains(e.Error(), "enough") {
		t.Errorf("got %q, verdict %v", e, e.Verdict())
	}
	_, err = w.client.Ask(ctx, w.query())
	checkError(t, nil, err, KindCanceled)
}

func TestNoConnection(t *testing.T) {
	c := newClient(t, Options{})
	askError(t, c, Query{URL: "http://" + nobody, Chain: testChain(t)}, KindConnect)
	// RFC 6761: never resolves.
	askError(t, c, Query{URL: "http://responder.invalid/", Chain: testChain(t)}, KindDNS)
}

func TestConnectTimeout(t *testing.T) {
	c := newClient(t, Options{ConnectTimeout: time.Nanosecond})
	askError(t, c, Query{URL: "http://127.0.0.1:9/", Chain: testChain(t)}, KindTimeout)
}

func TestConnectionsAreKept(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	var connections atomic.Int32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	s := &http.Server{
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			// Errors and redirects must not cost the connection either.
			switch n++; n % 3 {
			case 0:
				http.Error(rw, strings.Repeat("x", 5000), http.StatusTooManyRequests)
			case 1:
				http.Redirect(rw, r, r.URL.RequestURI(), http.StatusTemporaryRedirect)
			default:
				w.responder.ServeHTTP(rw, r)
			}
		}),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections.Add(1)
			}
		},
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	q := w.query()
	q.URL = "http://" + l.Addr().String()
	for range rounds {
		before := connections.Load()
		for range 10 {
			_, _ = w.client.Ask(t.Context(), q)
		}
		if before > 0 && connections.Load() == before {
			return
		}
	}
	t.Errorf("%d connections for %d times 10 questions, want none from the second time on", connections.Load(), rounds)
}

// A responder that closes idle connections just as they are used again must
// not make an error, for POST no more than for GET.
func TestStaleConnectionIsReplaced(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// One answer, and silence for the next request.
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				buf := make([]byte, r.ContentLength)
				_, _ = r.Body.Read(buf)
				_, _ = fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n0\x03\n\x01\x03")
				_, _ = conn.Read(make([]byte, 1))
			}
			_ = conn.Close()
		}
	}()
	c := newClient(t, Options{})
	for range 3 {
		ask(t, c, Query{URL: "http://" + l.Addr().String() + "/?post", Chain: testChain(t)})
	}
	c.Close()
	_ = l.Close()
	<-served
}
