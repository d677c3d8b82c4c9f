package admin

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestControlOnTheSocket(t *testing.T) {
	src := everyState(time.Now())
	s := start(t, "unix", src, false)
	for _, tt := range []struct {
		path, want string
		change     func(*http.Request)
		status     int
	}{
		{path: "/api/rescan", want: "{}", status: http.StatusAccepted},
		{path: "/api/refresh", want: `"due": 18`, status: http.StatusAccepted},
		{path: "/api/refresh?path=/a.pem&path=/b.pem", want: `"due": 18`, status: http.StatusAccepted},
		{path: "/api/rescan", change: header("Sec-Fetch-Site", "cross-site"), want: "cross-origin", status: http.StatusForbidden},
		{path: "/api/rescan", change: header("Origin", "http://evil.example"), want: "cross-origin", status: http.StatusForbidden},
	} {
		if tt.change == nil {
			tt.change = func(*http.Request) {}
		}
		resp := s.send(t, http.MethodPost, tt.path, tt.change)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.path, resp.StatusCode, body, tt.status, tt.want)
		}
	}
	if src.rescans != 1 || len(src.refreshes) != 2 || src.refreshes[0] != nil || !slices.Equal(src.refreshes[1], []string{"/a.pem", "/b.pem"}) {
		t.Errorf("%d rescans, refreshes of %q", src.rescans, src.refreshes)
	}
	if status, _ := s.get(t, "/api/rescan"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET /api/rescan: %d, want 405", status)
	}
}

func TestNoControlWithoutAnAgent(t *testing.T) {
	s := start(t, "unix", nil, false)
	resp := s.send(t, http.MethodPost, "/api/rescan")
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", resp.StatusCode)
	}
}

func TestNoControlOverTCP(t *testing.T) {
	src := &scene{}
	s := start(t, "tcp", src, false)
	for _, path := range []string{"/api/rescan", "/api/refresh"} {
		resp := s.send(t, http.MethodPost, path)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden || !strings.Contains(string(body), "unix:") {
			t.Errorf("%s: %d %s, want 403 with advice", path, resp.StatusCode, body)
		}
	}
	if src.rescans+len(src.refreshes) != 0 {
		t.Error("the agent was told to do something over TCP")
	}
}
