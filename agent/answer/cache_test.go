package answer_test

import (
	"crypto"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCachesMayKeepAnAnswerUntilThereIsANewerOne(t *testing.T) {
	w := newWorld(t) // an hour, the first minute of which is past
	leaf := w.manage("site.pem")
	w.pass()
	w.serve()
	asked := time.Now()
	got := w.get(w.request(leaf, crypto.SHA1))
	had := time.Now()
	r := w.good(got, leaf, crypto.SHA1)
	for name, want := range map[string]string{
		"Last-Modified": r.ThisUpdate.UTC().Format(http.TimeFormat),
		"Expires":       r.NextUpdate.UTC().Format(http.TimeFormat),
	} {
		if got := got.header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	control := got.header.Get("Cache-Control")
	for _, want := range []string{"public", "no-transform", "must-revalidate"} {
		if !strings.Contains(control, want) {
			t.Errorf("Cache-Control: got %q, want %s in it", control, want)
		}
	}
	age, _, _ := strings.Cut(strings.TrimPrefix(control, "max-age="), ",")
	seconds, err := strconv.Atoi(age)
	middle := r.ThisUpdate.Add(r.NextUpdate.Sub(r.ThisUpdate) / 2)
	least, most := middle.Sub(had)-time.Second, middle.Sub(asked) // it has whole seconds
	if got := time.Duration(seconds) * time.Second; err != nil || got < least || got > most {
		t.Errorf("max-age: got %q, want between %v and %v, to the middle of the staple's life", control, least, most)
	}
}

func TestWhoHasTheAnswerIsToldSo(t *testing.T) {
	w := newWorld(t)
	leaf := w.manage("site.pem")
	w.pass()
	w.serve()
	der := w.request(leaf, crypto.SHA1)
	first := w.get(der)
	etag, modified := first.header.Get("ETag"), first.header.Get("Last-Modified")
	at, err := http.ParseTime(modified)
	if err != nil || !strings.HasPrefix(etag, `"`) {
		t.Fatalf("got ETag %q, Last-Modified %q", etag, modified)
	}
	for _, test := range []struct {
		name, method string
		header       http.Header
		want         int
	}{
		{"the same", http.MethodGet, http.Header{"If-None-Match": {etag}}, 304},
		{"the same, weakly", http.MethodGet, http.Header{"If-None-Match": {"W/" + etag}}, 304},
		{"one of several", http.MethodGet, http.Header{"If-None-Match": {`"a", ` + etag, `"b"`}}, 304},
		{"anything", http.MethodGet, http.Header{"If-None-Match": {"*"}}, 304},
		{"another", http.MethodGet, http.Header{"If-None-Match": {`"a"`}}, 200},
		{"another, though no older", http.MethodGet, http.Header{"If-None-Match": {`"a"`}, "If-Modified-Since": {modified}}, 200},
		{"no older", http.MethodGet, http.Header{"If-Modified-Since": {modified}}, 304},
		{"older", http.MethodGet, http.Header{"If-Modified-Since": {at.Add(-time.Second).Format(http.TimeFormat)}}, 200},
		{"some time", http.MethodGet, http.Header{"If-Modified-Since": {"yesterday"}}, 200},
		{"HEAD of the same", http.MethodHead, http.Header{"If-None-Match": {etag}}, 304},
		{"HEAD", http.MethodHead, http.Header{}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := w.newRequest(test.method, inPath(der), nil)
			r.Header = test.header
			got := w.do(r)
			if got.code != test.want {
				t.Errorf("got %d, want %d", got.code, test.want)
			}
			if got.header.Get("ETag") != etag || got.header.Get("Cache-Control") == "" {
				t.Errorf("got header %v", got.header)
			}
			if (len(got.body) > 0) != (test.want == 200 && test.method == http.MethodGet) {
				t.Errorf("got %d octets of body", len(got.body))
			}
		})
	}
	r := w.newRequest(http.MethodPost, "/", der)
	r.Header.Set("If-None-Match", etag)
	w.good(w.do(r), leaf, crypto.SHA1)
}
