package responder

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
)

// crowd is a server that answers only when as many requests as are expected
// have come at once.
type crowd struct {
	http.Handler
	expected    int
	connections atomic.Int32

	mu      sync.Mutex
	here    int
	allHere chan struct{}
}

func newCrowd(t *testing.T, expected int, h http.Handler) (c *crowd, url string) {
	t.Helper()
	c = &crowd{Handler: h, expected: expected, allHere: make(chan struct{})}
	s := httptest.NewUnstartedServer(c)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return c, s.URL
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	all := c.allHere
	if c.here++; c.here == c.expected {
		c.here, c.allHere = 0, make(chan struct{})
		close(all)
	}
	c.mu.Unlock()
	select {
	case <-all:
		c.Handler.ServeHTTP(w, r)
	case <-r.Context().Done():
	}
}

// rounds is how often is looked whether connections are kept: net/http gives one
// up if the end of its request is noticed 50 ms late, as on a busy machine.
const rounds = 10

// TestAsManyConnectionsAreKeptAsAreInFlight asks again with as many requests at
// once as are allowed: no connection is opened.
func TestAsManyConnectionsAreKeptAsAreInFlight(t *testing.T) {
	const many = 2 * usualInFlight
	for _, row := range []struct {
		name  string
		asked int
		way   Egress
		all   int
		proxy bool
	}{
		{name: "unless said otherwise", asked: usualInFlight},
		{name: "more to one responder", asked: many, way: Egress{InFlight: many}},
		{name: "more by one proxy", asked: many, proxy: true},
		{name: "more by one proxy than usual", asked: usualInFlightAll + 4, all: usualInFlightAll + 4, proxy: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, lab.ResponderOptions{})
			c, url := newCrowd(t, row.asked, w.responder)
			host := func(int) string { return url }
			if row.proxy {
				row.way.Proxy = fixed(t, url, "")
				host = func(i int) string { return fmt.Sprintf("http://ocsp%d.example/", i%5) }
			}
			client := newClient(t, Options{InFlight: row.all, Timeout: time.Minute, Egress: func(string) *Egress { return &row.way }})
			var opened []int32
			for len(opened) < 2 || opened[len(opened)-1] > 0 && len(opened) < rounds {
				before := c.connections.Load()
				var asked sync.WaitGroup
				for i := range row.asked {
					asked.Go(func() {
						if _, err := client.Ask(t.Context(), Query{URL: host(i), Chain: w.chain}); err != nil {
							t.Error(err)
						}
					})
				}
				asked.Wait()
				opened = append(opened, c.connections.Load()-before)
			}
			if opened[0] != int32(row.asked) || opened[len(opened)-1] != 0 {
				t.Errorf("opened %v for %d requests at once, again and again", opened, row.asked)
			}
		})
	}
}
