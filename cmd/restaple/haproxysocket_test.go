package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAConfiguredSocketThatIsNotThereIsSaid(t *testing.T) {
	for name, row := range map[string]struct {
		hooks string
		want  int // lines about it
	}{
		"a socket that was named":            {"hooks: [{haproxy: {socket: /nowhere/admin.sock}}]", 1},
		"a socket named as HAProxy names it": {"hooks: [{haproxy: {socket: 'unix:/nowhere/admin.sock'}}]", 1},
		"a hook for when it runs":            {"hooks: [{haproxy: {socket: /nowhere/admin.sock}, running: [/nowhere/admin.sock]}]", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			config := filepath.Join(t.TempDir(), "restaple.yaml")
			s.write(config, []byte("certificates: [{paths: ["+s.dir+"], server: haproxy, "+row.hooks+"}]\n"))
			code, out, errs := s.command("refresh", "--config", config)
			if code != exitOK {
				t.Errorf("exit %d, want 0: %s%s", code, out, errs)
			}
			if got := strings.Count(errs, "/nowhere/admin.sock"); got != row.want {
				t.Errorf("said %d times, want %d:\n%s", got, row.want, errs)
			}
			if strings.Contains(errs, "told of changes") {
				t.Errorf("it says that the hook was told:\n%s", errs)
			}
		})
	}
}
