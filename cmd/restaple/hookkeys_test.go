package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHooksAreAsConfigured has one hook that is for revocations only, two that
// fail by what their keys say, and one whose server does not run.
func TestHooksAreAsConfigured(t *testing.T) {
	s := newScene(t)
	var mu sync.Mutex
	var told []string
	page := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		for _, event := range []string{"placed", "withdrawn", "revoked"} {
			if strings.Contains(string(body), `"event":"`+event+`"`) {
				told = append(told, event+" "+r.Header.Get("X-Source")+" "+r.Header.Get("Authorization"))
			}
		}
	}))
	heard := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
	token, ran := filepath.Join(s.state, "token"), filepath.Join(s.state, "ran")
	s.write(token, []byte("t0ken\n"))
	file := filepath.Join(s.state, "restaple.yaml")
	s.write(file, fmt.Appendf(nil, `state_dir: %s
allow: [127.0.0.0/8]
certificates: [{paths: [%s], hooks: [page, slow, checked, away]}]
hooks:
- {name: page, on: [revoked], webhook: {url: 'http://%s/', headers: {X-Source: staging}, token_file: %s}}
- {name: slow, command: [sleep, "60"], timeout: 200ms}
- {name: checked, command: [touch, %s], check: ["false"]}
- {name: away, command: [touch, %s], running: [/nowhere/pid]}
`, s.state, s.dir, page, token, ran, ran))
	pass := func() (stderr string) {
		code, out, errs := command(t, "refresh", "--force", "--config", file)
		if code != exitNotOK {
			t.Errorf("exit %d, want %d for the hooks that fail\n%s%s", code, exitNotOK, out, errs)
		}
		return errs
	}
	said := pass()
	if got := heard(); len(got) > 0 {
		t.Errorf("told of %q, want nothing but revocations", got)
	}
	for hook, why := range map[string]string{"slow": "it took longer than 200ms", "checked": "false"} {
		failed := func(line string) bool {
			return strings.Contains(line, `msg="hook failed"`) && strings.Contains(line, "hook="+hook+" ") && strings.Contains(line, why)
		}
		if !slices.ContainsFunc(strings.Split(said, "\n"), failed) {
			t.Errorf("%s has not failed\n%s", hook, said)
		}
	}
	if err := s.responder.Revoke(s.issued.Certificate.SerialNumber, "keyCompromise", time.Now()); err != nil {
		t.Fatal(err)
	}
	said = pass()
	if got, want := heard(), []string{"revoked staging Bearer t0ken"}; !slices.Equal(got, want) {
		t.Errorf("told of %q, want %q\n%s", got, want, said)
	}
	if _, err := os.Stat(ran); !os.IsNotExist(err) {
		t.Errorf("a command was run although its check fails, or its server does not run: %v", err)
	}
}
