package answer

import (
	"net"
	"net/netip"
	"sync"
)

// perClient lets a client have only so many connections at a time, so that those
// of one client leave room for those of others. What is more is closed at once.
type perClient struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newPerClient(l net.Listener, most int) *perClient {
	return &perClient{Listener: l, most: most, open: make(map[netip.Prefix]int)}
}

// Accept implements net.Listener.
func (p *perClient) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(c.RemoteAddr().String())
		if p.enter(client) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { p.leave(client) })}, nil
		}
		_ = c.Close() // whoever it is has enough of them
	}
}

func (p *perClient) enter(client netip.Prefix) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A Unix socket does not say whose connections they are.
	if client.IsValid() && p.open[client] >= p.most {
		return false
	}
	p.open[client]++
	return true
}

func (p *perClient) leave(client netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[client]--; p.open[client] == 0 {
		delete(p.open, client)
	}
}

// counted is a connection that is open.
type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
