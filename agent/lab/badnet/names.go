// Package badnet is a network that misbehaves, on loopback and for tests: names
// that have no address, get no answer or change their address, and addresses
// where nobody is at home.
package badnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Answer is what is said of a name. The zero Answer is that it has no address.
type Answer struct {
	Addrs  []netip.Addr // those of the family that was not asked for are left out
	Fails  bool         // the server cannot say (SERVFAIL)
	Silent bool         // nothing is said at all
	Nobody bool         // there is no such name (NXDOMAIN)
}

// Zone says what to answer when the addresses of a name are asked for: those of
// IPv6, or those of IPv4. It is called for one question after the other.
type Zone func(name string, v6 bool) Answer

// Names answers for zone at an address such as 127.0.0.1:0, until ctx is done. It
// returns the address with its port.
func Names(ctx context.Context, listen string, zone Zone) (address string, err error) {
	conn, err := net.ListenPacket("udp", listen)
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	go serve(conn, zone)
	return conn.LocalAddr().String(), nil
}

// Resolver asks the server at address and nobody else.
func Resolver(address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Resolver: new(net.Resolver)} // not the default one, which may be this
		return d.DialContext(ctx, "udp", address)
	}}
}

// serve answers until conn is closed.
func serve(conn net.PacketConn, zone Zone) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // such as that the last one to ask is gone
		}
		if answer, err := reply(buffer[:n], zone); err == nil && answer != nil {
			_, _ = conn.WriteTo(answer, from) // who misses it asks again
		}
	}
}

// reply makes the answer to a request; nil is none.
func reply(request []byte, zone Zone) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(request)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	v6 := q.Type == dnsmessage.TypeAAAA
	if !v6 && q.Type != dnsmessage.TypeA {
		return nil, fmt.Errorf("asked for %v", q.Type)
	}
	a := zone(strings.ToLower(strings.TrimSuffix(q.Name.String(), ".")), v6)
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case a.Silent:
		return nil, nil
	case a.Fails:
		m.RCode = dnsmessage.RCodeServerFailure
	case a.Nobody:
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range a.Addrs {
		if addr.Is6() == v6 {
			m.Answers = append(m.Answers, resource(q, addr))
		}
	}
	return m.Pack()
}

// resource has no time to live: who wants the address again asks again.
func resource(q dnsmessage.Question, addr netip.Addr) dnsmessage.Resource {
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}}
	if addr.Is6() {
		r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
	} else {
		r.Body = &dnsmessage.AResource{A: addr.As4()}
	}
	return r
}
