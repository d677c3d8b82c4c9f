package responder

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/agent/lab/badnet"
)

// names looks every name up in zone.
func names(t *testing.T, zone badnet.Zone) *net.Resolver {
	t.Helper()
	address, err := badnet.Names(t.Context(), "127.0.0.1:0", zone)
	if err != nil {
		t.Fatal(err)
	}
	return badnet.Resolver(address)
}

func TestNamesThatLeadNowhere(t *testing.T) {
	var looked atomic.Int32
	resolver := names(t, func(name string, _ bool) badnet.Answer {
		looked.Add(1)
		return map[string]badnet.Answer{
			"silent.test": {Silent: true}, "failing.test": {Fails: true}, "nobody.test": {Nobody: true}, "empty.test": {},
		}[name]
	})
	c, chain := newClient(t, Options{Resolver: resolver, ConnectTimeout: 300 * time.Millisecond, Timeout: time.Minute}), testChain(t)
	for _, name := range []string{"silent.test", "failing.test", "nobody.test", "empty.test"} {
		t.Run(name, func(t *testing.T) {
			looked.Store(0)
			e := askError(t, c, Query{URL: "http://" + name + "/", Chain: chain}, KindDNS)
			if !strings.Contains(e.Error(), "lookup "+name) || e.Verdict() != LaneSilent {
				t.Errorf("got %v, verdict %v, want the look-up named", e, e.Verdict())
			}
			_, err := c.FetchIssuer(t.Context(), "http://"+name+"/ca.cer")
			checkError(t, nil, err, KindDNS)
			if looked.Load() == 0 {
				t.Error("the name was not looked up")
			}
		})
	}
}

// neighbours listen at one port of two addresses.
func neighbours(t *testing.T, one, other string) (a, b net.Listener) {
	t.Helper()
	for range 100 { // the port may be in use at the other address
		a, err := net.Listen("tcp", one+":0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(a.Addr().String())
		if b, err := net.Listen("tcp", net.JoinHostPort(other, port)); err == nil {
			return a, b
		}
		_ = a.Close()
	}
	t.Fatalf("no port is free at both %s and %s", one, other)
	return nil, nil
}

func serveAt(t *testing.T, address string, h http.Handler) (at netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, h)
}

func serveOn(t *testing.T, l net.Listener, h http.Handler) (at netip.AddrPort) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(l.Addr().String())
}

// TestNameThatChangesItsAddressGetsNoFurther gives a name another address with
// each look-up: one that is allowed, then one that is not.
func TestNameThatChangesItsAddressGetsNoFurther(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	ours, theirs := neighbours(t, "127.0.0.2", "127.0.0.1")
	at := serveOn(t, ours, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Connection", "close") // so that each request looks the name up
		w.responder.ServeHTTP(rw, r)
	}))
	allowed, inner := at.Addr(), netip.MustParseAddr("127.0.0.1")
	var reached atomic.Int32
	serveOn(t, theirs, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	turns := [][]netip.Addr{{allowed}, {inner}, {inner, allowed}, {inner}, {allowed, inner}}
	var turn atomic.Int32
	resolver := names(t, func(_ string, v6 bool) badnet.Answer {
		if v6 {
			return badnet.Answer{}
		}
		return badnet.Answer{Addrs: turns[int(turn.Add(1)-1)%len(turns)]}
	})
	c := newClient(t, Options{Resolver: resolver, Guard: NewGuard(GuardOptions{Allow: prefixes("127.0.0.2/32")})})
	url := urlOf("rebind.test", at)
	for i, addrs := range turns {
		if slices.Contains(addrs, allowed) {
			ask(t, c, Query{URL: url, Chain: w.chain})
		} else {
			askError(t, c, Query{URL: url, Chain: w.chain}, KindRefused)
		}
		if got := int(turn.Load()); got != i+1 {
			t.Fatalf("%d look-ups for %d questions", got, i+1)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the address that is not allowed got %d requests", n)
	}
}

func urlOf(name string, at netip.AddrPort) string {
	return fmt.Sprintf("http://%s:%d/", name, at.Port())
}

// attempts notes how connections are tried.
type attempts struct {
	mu  sync.Mutex
	log []string
}

func (a *attempts) note(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, what)
}

func (a *attempts) trace() *httptrace.ClientTrace {
	family := func(address string) string {
		if strings.HasPrefix(address, "[") {
			return "IPv6"
		}
		return "IPv4"
	}
	return &httptrace.ClientTrace{
		ConnectStart: func(_, address string) { a.note("try " + family(address)) },
		ConnectDone:  func(_, address string, _ error) { a.note("end " + family(address)) },
		GotConn:      func(i httptrace.GotConnInfo) { a.note("use " + family(i.Conn.RemoteAddr().String())) },
	}
}

// TestIPv6ThatIsDeadCostsLittle has a name announce an IPv6 address where
// packets vanish: IPv4 is tried while that attempt still hangs (RFC 8305).
func TestIPv6ThatIsDeadCostsLittle(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	at := serveAt(t, "127.0.0.1:0", w.responder)
	dead := netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	end, err := badnet.DeadEnd(dead)
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "ipv6") {
			t.Fatal(err)
		}
		t.Skipf("no dead end over IPv6 here: %v", err)
	}
	t.Cleanup(end)
	resolver := names(t, func(string, bool) badnet.Answer { return badnet.Answer{Addrs: []netip.Addr{dead.Addr(), at.Addr()}} })
	var a attempts
	ctx := httptrace.WithClientTrace(t.Context(), a.trace())
	c := newClient(t, Options{Resolver: resolver, ConnectTimeout: time.Minute, Timeout: time.Minute})
	if _, err := c.Ask(ctx, Query{URL: urlOf("two.test", at), Chain: w.chain}); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	order := []string{"try IPv6", "try IPv4", "end IPv4", "use IPv4"}
	got := slices.DeleteFunc(slices.Clone(a.log), func(s string) bool { return s == "end IPv6" })
	if !slices.Equal(got, order) || slices.Index(a.log, "end IPv6") >= 0 && slices.Index(a.log, "end IPv6") < slices.Index(a.log, "try IPv4") {
		t.Errorf("got %v, want %v and IPv6 given up only after IPv4 was tried", a.log, order)
	}
}

// TestIPv6ThatIsUnreachableIsNoMatter has an address that refuses at once.
func TestIPv6ThatIsUnreachableIsNoMatter(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	at := serveAt(t, "127.0.0.1:0", w.responder)
	resolver := names(t, func(string, bool) badnet.Answer {
		return badnet.Answer{Addrs: []netip.Addr{netip.IPv6Loopback(), at.Addr()}} // nobody listens there
	})
	ask(t, newClient(t, Options{Resolver: resolver}), Query{URL: urlOf("two.test", at), Chain: w.chain})
}
