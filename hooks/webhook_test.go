package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newWebhook(t *testing.T, o WebhookOptions) Action {
	t.Helper()
	w, err := NewWebhook(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAWebhookGetsTheChangesAsJSON(t *testing.T) {
	var got *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	token := filepath.Join(t.TempDir(), "token")
	hook := newWebhook(t, WebhookOptions{
		Name: "page", URL: s.URL + "/notify", Client: s.Client(), TokenFile: token,
		Headers: http.Header{"x-team": {"tls"}, "Content-Type": {"text/plain"}},
	})
	for _, secret := range []string{"first", "second"} { // it may be rotated
		if err := os.WriteFile(token, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := hook.Deliver(t.Context(), placed("a")); err != nil {
			t.Fatal(err)
		}
		if got, want := got.Header.Get("Authorization"), "Bearer "+secret; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got.Method != "POST" || got.URL.Path != "/notify" {
		t.Errorf("got %s %s", got.Method, got.URL)
	}
	if h := got.Header; h.Get("X-Team") != "tls" || h.Get("Content-Type") != "application/json" {
		t.Errorf("got %v", h)
	}
	want := `{"hook":"page","changes":[{"event":"placed","name":"","cert":"a.pem","staple":"a","serial":""}]}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	if err := hook.Deliver(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if want := `{"hook":"page","changes":[]}`; string(body) != want {
		t.Errorf("no details: got %s, want %s", body, want)
	}
}

func TestOnlyA2xxAnswerIsASuccess(t *testing.T) {
	for status, good := range map[int]bool{
		200: true, 204: true, 299: true, 301: false, 302: false, 307: false, 400: false, 401: false, 429: false, 503: false,
	} {
		requests := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		err := newWebhook(t, WebhookOptions{URL: s.URL}).Deliver(t.Context(), nil)
		if (err == nil) != good {
			t.Errorf("%d: got %v", status, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%s: %d ", s.URL, status)) {
			t.Errorf("%d: got %q", status, err)
		}
		if requests != 1 {
			t.Errorf("%d: got %d requests, want 1", status, requests)
		}
		s.Close()
	}
}

func TestAWebhooksSecretsStayOutOfItsErrors(t *testing.T) {
	const host = "127.0.0.1:1" // where nobody listens
	hook := newWebhook(t, WebhookOptions{URL: "http://user:secret@" + host + "/secret?token=secret"})
	err := hook.Deliver(t.Context(), nil)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "http://"+host+": ") {
		t.Errorf("got %v", err)
	}
}

func TestAWebhookThatHangsEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("too long"))
	defer cancel()
	err := newWebhook(t, WebhookOptions{URL: s.URL}).Deliver(ctx, nil)
	if got, want := fmt.Sprint(err), s.URL+": too long"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewWebhookNeedsAURL(t *testing.T) {
	for _, url := range []string{"", "example.com/hook", "ftp://example.com/", "http://", "http://[::1", "https:///secret"} {
		_, err := NewWebhook(WebhookOptions{URL: url})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", url, err)
		}
	}
}
