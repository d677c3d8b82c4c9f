package responder

import (
	"crypto"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restaple/restaple/agent/lab"
	"golang.org/x/crypto/ocsp"
)

func TestAskBringsTheResponse(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	for _, hash := range []crypto.Hash{0, crypto.SHA1, crypto.SHA256} {
		q := w.query()
		q.Hash = hash
		a := ask(t, w.client, q)
		r, err := ocsp.ParseResponseForCert(a.DER, w.issued.Certificate, w.chain.Issuer.Certificate)
		if err != nil || r.Status != ocsp.Good {
			t.Fatalf("hash %v: got %v, %v", hash, r, err)
		}
		want := hash
		if hash == 0 {
			want = crypto.SHA1
		}
		if got := w.last(t).Hash; got != want {
			t.Errorf("hash %v: asked with %v, want %v", hash, got, want)
		}
		if len(a.Warnings) != 0 || a.Validators.ETag == "" || a.Date.IsZero() || a.Took <= 0 || a.Skew.Abs() > time.Minute {
			t.Errorf("got %+v", a)
		}
		if in := time.Until(a.FreshUntil); in < 10*time.Minute || in > time.Hour {
			t.Errorf("fresh for %v, want what max-age says", in)
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	w.client = newClient(t, Options{UserAgent: "restaple/1.2.3"})
	for _, row := range []struct {
		name string
		q    Query
		want map[string]string
	}{
		{name: "GET", want: map[string]string{
			"User-Agent": "restaple/1.2.3", "Accept": "application/ocsp-response",
			"Accept-Encoding": "identity", "Content-Type": "", "Cache-Control": "", "Pragma": "", "If-None-Match": "",
		}},
		{name: "POST", q: Query{URL: w.url + "?a=b"}, want: map[string]string{
			"User-Agent": "restaple/1.2.3", "Accept": "application/ocsp-response",
			"Content-Type": "application/ocsp-request", "Idempotency-Key": "",
		}},
		{name: "past caches", q: Query{NoCache: true, Validators: Validators{ETag: `"x"`}}, want: map[string]string{
			"Cache-Control": "no-cache", "Pragma": "no-cache", "If-None-Match": "",
		}},
		{name: "with a user", q: Query{URL: strings.Replace(w.url, "://", "://u:p@", 1)}, want: map[string]string{
			"Authorization": "Basic dTpw",
		}},
		{name: "validators", q: Query{Validators: Validators{`"x"`, "Sun, 01 Mar 2026 12:00:00 GMT"}}, want: map[string]string{
			"If-None-Match": `"x"`, "If-Modified-Since": "Sun, 01 Mar 2026 12:00:00 GMT",
		}},
		{name: "validators that cannot be sent", q: Query{Validators: Validators{"a\nb", strings.Repeat("x", 1000)}}, want: map[string]string{
			"If-None-Match": "", "If-Modified-Since": "",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.q.Chain = w.chain
			if row.q.URL == "" {
				row.q.URL = w.url
			}
			ask(t, w.client, row.q)
			r := w.last(t).Request
			for name, want := range row.want {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if r.Method == http.MethodPost && r.ContentLength <= 0 {
				t.Errorf("Content-Length: got %d", r.ContentLength)
			}
		})
	}
}

func TestNotModified(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	q := w.query()
	q.Validators = ask(t, w.client, q).Validators
	a := ask(t, w.client, q)
	if !a.NotModified || a.DER != nil || a.Validators != q.Validators {
		t.Errorf("got %+v, want not modified", a)
	}
	w.responder.Renew()
	if a := ask(t, w.client, q); a.NotModified || a.DER == nil {
		t.Errorf("got %+v, want the newer response", a)
	}
	// Who has nothing can do nothing with a 304.
	q.URL = serveFunc(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	q.Validators = Validators{}
	if e := askError(t, w.client, q, KindHTTP); e.Status != http.StatusNotModified {
		t.Errorf("got status %d, want 304", e.Status)
	}
}

// Rule: one fallback to the other method, for what the other method may cure.
func TestOtherMethod(t *testing.T) {
	const get, post = http.MethodGet, http.MethodPost
	refuse := func(method string, code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == method {
				w.WriteHeader(code)
			}
			return r.Method == method
		}
	}
	cut := func(method string) func(http.ResponseWriter, *http.Request) bool { // ends the connection
		return func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == method {
				panic(http.ErrAbortHandler)
			}
			return false
		}
	}
	long := "/" + strings.Repeat("x", 255)
	for _, row := range []struct {
		name    string
		path    string
		fault   lab.Fault
		instead func(http.ResponseWriter, *http.Request) bool
		want    []string
		kind    Kind // "": an answer
	}{
		{name: "GET", want: []string{get}},
		{name: "a long URL", path: long, want: []string{post}},
		{name: "a query", path: "/?a=b", want: []string{post}},
		{name: "405 for GET", instead: refuse(get, 405), want: []string{get, post}},
		{name: "404 for GET", instead: refuse(get, 404), want: []string{get, post}},
		{name: "500 for GET", instead: refuse(get, 500), want: []string{get, post}},
		{name: "405 for POST", path: long, instead: refuse(post, 405), want: []string{post, get}},
		{name: "405 for POST with a query", path: "/?a=b", instead: refuse(post, 405), want: []string{post}, kind: KindHTTP},
		{name: "429", fault: "429", want: []string{get}, kind: KindHTTP},
		{name: "503 until later", fault: "503=60", want: []string{get}, kind: KindHTTP},
		{name: "503", fault: "503", want: []string{get, post}, kind: KindHTTP},
		{name: "malformedRequest", fault: "malformedRequest", want: []string{get, post}},
		{name: "unauthorized", fault: "unauthorized", want: []string{get}},
		{name: "tryLater", fault: "tryLater", want: []string{get}},
		{name: "a web page", fault: "html", want: []string{get, post}},
		{name: "garbage", fault: "garbage", want: []string{get, post}},
		{name: "nothing", fault: "empty", want: []string{get, post}},
		{name: "too much", fault: "huge", want: []string{get, post}, kind: KindTooLarge},
		{name: "a reset", fault: "reset", want: []string{get, post}, kind: KindInterrupted},
		{name: "a closed connection for GET", instead: cut(get), want: []string{get, post}},
		{name: "a redirect loop", fault: "redirect-loop", want: []string{get, get, get, get, get}, kind: KindRedirect},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, lab.ResponderOptions{})
			w.fault(t, row.fault)
			var mu sync.Mutex
			var got []string
			url := serveFunc(t, func(rw http.ResponseWriter, r *http.Request) {
				mu.Lock()
				got = append(got, r.Method)
				mu.Unlock()
				if row.instead == nil || !row.instead(rw, r) {
					w.responder.ServeHTTP(rw, r)
				}
			})
			q := w.query()
			q.URL = url + row.path
			a, err := w.client.Ask(t.Context(), q)
			if row.kind != "" {
				checkError(t, a, err, row.kind)
			} else if err != nil {
				t.Fatalf("Ask: %v", err)
			} else if a.Method != row.want[len(row.want)-1] && row.fault == "" {
				t.Errorf("method: got %s of %v", a.Method, row.want)
			}
			mu.Lock()
			defer mu.Unlock()
			if strings.Join(got, " ") != strings.Join(row.want, " ") {
				t.Errorf("asked by %v, want %v", got, row.want)
			}
		})
	}
}

func TestMethodThatWorksIsRemembered(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	w.fault(t, "no-get")
	a := ask(t, w.client, w.query())
	wantMethods(t, w, "GET", "POST")
	if len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "405") {
		t.Errorf("warnings: got %q, want one about the 405", a.Warnings)
	}
	if a := ask(t, w.client, w.query()); len(a.Warnings) != 0 {
		t.Errorf("warned again: %q", a.Warnings)
	}
	wantMethods(t, w, "POST")

	// Another responder is another matter.
	other := w.query()
	other.URL += "/other"
	ask(t, w.client, other)
	wantMethods(t, w, "GET", "POST")
}

func TestHabitEnds(t *testing.T) {
	m := memory{other: make(map[string]habit)}
	m.keep("r", http.MethodPost, true, noon)
	for _, row := range []struct {
		after time.Duration
		want  string
	}{{time.Hour, "POST"}, {25 * time.Hour, "GET"}} {
		if got := m.order("r", true, noon.Add(row.after))[0]; got != row.want {
			t.Errorf("after %v: begins with %s, want %s", row.after, got, row.want)
		}
	}
	m.keep("r", http.MethodGet, true, noon)
	if got := m.order("r", true, noon)[0]; got != "GET" {
		t.Errorf("after GET worked again: begins with %s", got)
	}
	for i := range 3 * maxHabits {
		m.keep(strings.Repeat("x", i), http.MethodPost, true, noon)
	}
	if len(m.other) > maxHabits {
		t.Errorf("%d habits are kept, want at most %d", len(m.other), maxHabits)
	}
}

func TestBothFailuresAreTold(t *testing.T) {
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	e := askError(t, newClient(t, Options{}), Query{URL: url, Chain: testChain(t)}, KindHTTP)
	if want := url + ": GET: 404 Not Found; POST: 503 Service Unavailable, wants to be left alone for 7s"; e.Error() != want {
		t.Errorf("got %q, want %q", e, want)
	}
	if e.Status != 503 || e.RetryAfter != 7*time.Second || e.Verdict() != LaneOverloaded {
		t.Errorf("got status %d, retry after %v, verdict %v", e.Status, e.RetryAfter, e.Verdict())
	}
}

// The same each time, or it would be said each time.
func TestResetIsSaidWithoutAddresses(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	w.fault(t, "reset")
	first, second := askError(t, w.client, w.query(), KindInterrupted), askError(t, w.client, w.query(), KindInterrupted)
	if first.Error() != second.Error() || strings.Contains(first.Err.Error(), "127.0.0.1") {
		t.Errorf("got %q and %q", first, second)
	}
}

// What cuts one method off has an answer for the other: it is not down.
func TestAnswerToTheOtherMethodCountsMoreThanSilence(t *testing.T) {
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	e := askError(t, newClient(t, Options{}), Query{URL: url, Chain: testChain(t)}, KindHTTP)
	if e.Status != 404 || e.Verdict() != LaneGood || !strings.Contains(e.Error(), "GET: the connection was closed") {
		t.Errorf("got %v, verdict %v", e, e.Verdict())
	}
}

func TestCodingThatWasNotAskedForIsAWarning(t *testing.T) {
	url := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte{0x1f, 0x8b, 8})
	})
	a := ask(t, newClient(t, Options{}), Query{URL: url, Chain: testChain(t)})
	if len(a.Warnings) != 2 || !strings.Contains(strings.Join(a.Warnings, ""), `"gzip"`) {
		t.Errorf("warnings: got %q, want the coding", a.Warnings)
	}
}

func TestClosedConnectionIsSaidInWords(t *testing.T) {
	url := serveFunc(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	e := askError(t, newClient(t, Options{}), Query{URL: url, Chain: testChain(t)}, KindInterrupted)
	if !strings.Contains(e.Error(), "closed without an answer") || strings.Contains(e.Error(), "EOF") {
		t.Errorf("got %q", e)
	}
}

func TestWrongContentTypeIsAWarning(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	w.fault(t, "wrong-content-type")
	a := ask(t, w.client, w.query())
	if _, ok := outerStatus(a.DER); !ok {
		t.Fatal("the bytes are not the response")
	}
	if len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0], "text/plain") {
		t.Errorf("warnings: got %q, want the type", a.Warnings)
	}
}

func TestFetchIssuer(t *testing.T) {
	w := newWorld(t, lab.ResponderOptions{})
	got, err := w.client.FetchIssuer(t.Context(), w.url+"/issuer.cer")
	if err != nil || string(got) != string(w.chain.Issuer.Certificate.Raw) {
		t.Fatalf("got %d octets, %v", len(got), err)
	}
	for _, row := range []struct {
		name    string
		handler http.HandlerFunc
		want    Kind
	}{
		{"404", http.NotFound, KindHTTP},
		{"304", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, KindHTTP},
		{"1 MiB and an octet", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20+1)) }, KindTooLarge},
	} {
		_, err := w.client.FetchIssuer(t.Context(), serveFunc(t, row.handler))
		t.Run(row.name, func(t *testing.T) { checkError(t, nil, err, row.want) })
	}
	got, err = w.client.FetchIssuer(t.Context(), serve(t, bodyHandler(make([]byte, 1<<20))))
	if err != nil || len(got) != 1<<20 {
		t.Errorf("1 MiB: got %d octets, %v", len(got), err)
	}
	_, err = w.client.FetchIssuer(t.Context(), "https://127.0.0.1/issuer.cer")
	checkError(t, nil, err, KindURL)
}
