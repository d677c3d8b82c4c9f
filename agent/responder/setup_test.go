package responder

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/restaple/restaple/agent/lab"
	"github.com/restaple/restaple/watcher/chain"
)

// nobody listens there. A port that was free just now may be taken.
const nobody = "127.0.0.1:1"

// world is a CA, a leaf, a responder on loopback and a client that may go
// there.
type world struct {
	responder *lab.Responder
	url       string
	issued    *lab.Issued
	chain     *chain.Chain
	client    *Client

	mu   sync.Mutex
	seen []lab.Exchange
}

func newWorld(t testing.TB, o lab.ResponderOptions) *world {
	t.Helper()
	w := &world{}
	pki, err := lab.NewPKI(lab.PKIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.issued, err = pki.Intermediate.Issue(lab.IssueOptions{Names: []string{"leaf.example"}})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := chain.NewLeaf(w.issued.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := chain.NewIssuer(pki.Intermediate.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	w.chain = &chain.Chain{Leaf: leaf, Issuer: issuer}
	o.CA = pki.Intermediate
	o.Observe = func(e lab.Exchange) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, e)
	}
	if w.responder, err = lab.NewResponder(o); err != nil {
		t.Fatal(err)
	}
	w.url = serve(t, w.responder)
	w.client = newClient(t, Options{})
	return w
}

func (w *world) query() Query { return Query{URL: w.url, Chain: w.chain} }

// methods returns the methods of the requests since the last call.
func (w *world) methods() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, e := range w.seen {
		list = append(list, e.Request.Method)
	}
	w.seen = nil
	return list
}

func (w *world) last(t testing.TB) lab.Exchange {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		t.Fatal("the responder was not asked")
	}
	return w.seen[len(w.seen)-1]
}

func (w *world) fault(t testing.TB, f lab.Fault) {
	t.Helper()
	if err := w.responder.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

// serve serves h on loopback and returns the URL. What hangs ends with the test.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		both, stop := context.WithCancel(r.Context())
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		h.ServeHTTP(w, r.WithContext(both))
	}))
	t.Cleanup(s.Close)
	t.Cleanup(cancel)
	return s.URL
}

func serveFunc(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	return serve(t, f)
}

// newClient returns a client that may go to loopback and knows no proxy, if
// the options don't say otherwise.
func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	if o.Guard == nil {
		o.Guard = NewGuard(GuardOptions{Allow: prefixes("127.0.0.0/8", "::1/128")})
	}
	if o.Proxy == nil {
		o.Proxy = NoProxy
	}
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func ask(t testing.TB, c *Client, q Query) *Answer {
	t.Helper()
	a, err := c.Ask(t.Context(), q)
	if err != nil {
		t.Fatalf("Ask: %v", err)
	}
	return a
}

func askError(t testing.TB, c *Client, q Query, want Kind) *Error {
	t.Helper()
	a, err := c.Ask(t.Context(), q)
	return checkError(t, a, err, want)
}

func checkError(t testing.TB, got any, err error, want Kind) *Error {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("got %v, %v, want an *Error of kind %s", got, err, want)
	}
	if e.Kind != want {
		t.Fatalf("got kind %s (%v), want %s", e.Kind, err, want)
	}
	return e
}

func wantMethods(t testing.TB, w *world, want ...string) {
	t.Helper()
	if got := w.methods(); !slices.Equal(got, want) {
		t.Errorf("methods: got %v, want %v", got, want)
	}
}

func testChain(t testing.TB) *chain.Chain {
	t.Helper()
	return newWorld(t, lab.ResponderOptions{}).chain
}
