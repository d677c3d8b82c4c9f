package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestLogIsAllJSON has a responder say more than it should on a connection that
// is kept: net/http has a word for that, in a form of its own.
func TestLogIsAllJSON(t *testing.T) {
	s := newScene(t)
	address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdefghi")
	}))
	p := startProcess(t, "refresh", "--log-format", "json", "--state-dir", s.state, "--responder", "http://"+address+"/", s.dir)
	_ = p.Wait() // there is no staple
	if !p.said("no new staple") {
		t.Error("it did not get that far")
	}
	for line := range strings.Lines(p.log.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %q", line)
		}
	}
}
