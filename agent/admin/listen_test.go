package admin

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restaple/restaple/agent"
)

var socketAddr net.Addr = &net.UnixAddr{Name: "/x", Net: "unix"}

func TestSocketHasItsModeFromTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("mode %v, %v; want %v", info.Mode(), err, os.FileMode(socketMode))
	}
	if !isSocket(l.Addr()) {
		t.Errorf("address %v is not taken for a socket", l.Addr())
	}
	if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
		t.Errorf("files %v, want the socket only", names)
	}
	l.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after Close: %v, want it gone", err)
	}
}

func TestListenAtWhatIsAlreadyThere(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead.sock")
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	killed.Close()
	alive, err := Listen("unix:" + filepath.Join(dir, "alive.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, wantErr string }{
		{"a socket that nobody listens at", dead, ""},
		{"a socket that somebody listens at", filepath.Join(dir, "alive.sock"), "another process"},
		{"a file", file, "no socket"},
		{"no directory", filepath.Join(dir, "none", "x.sock"), "no such file or directory"},
	} {
		l, err := Listen("unix:" + tt.path)
		if err == nil {
			l.Close()
		}
		if (err == nil) != (tt.wantErr == "") || err != nil && (!strings.Contains(err.Error(), tt.wantErr) || !strings.Contains(err.Error(), tt.path)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.wantErr)
		}
	}
	if text, err := os.ReadFile(file); string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
	if conn, err := net.Dial("unix", filepath.Join(dir, "alive.sock")); err != nil {
		t.Errorf("the one that listened does not any more: %v", err)
	} else {
		conn.Close()
	}
}

func TestCloseLeavesTheSocketOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	first, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	second, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the second socket is gone: %v", err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := New(Options{Metrics: NewMetrics("1"), Log: quiet()})
	s.SetSource(&scene{}, false)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	idle, err := net.Dial("unix", path) // somebody who says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if _, err := FetchStatus(t.Context(), "unix:"+path); err != nil {
		t.Error(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(shutdownGrace + 5*time.Second):
		t.Fatal("Serve goes on after its context has ended")
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestFetchStatus(t *testing.T) {
	now := time.Now()
	src := &scene{certs: []agent.Certificate{certificate("a", now), certificate("b", now)}}
	tcp := start(t, "tcp", src, false)
	got, err := FetchStatus(t.Context(), strings.TrimPrefix(tcp.url, "http://"))
	if err != nil || len(got.Certificates) != 2 || !got.OK || got.Certificates[1].Name != "b" || !got.Certificates[0].Expires.Equal(src.certs[0].Expires) {
		t.Errorf("over TCP: %+v, %v", got, err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(tcp.url, "http://"))
	if got, err := FetchStatus(t.Context(), ":"+port); err != nil || len(got.Certificates) != 2 {
		t.Errorf("at :port: %+v, %v", got, err)
	}
	none := start(t, "tcp", nil, false)
	for _, tt := range []struct{ name, address, want string }{
		{"nobody listens", "unix:" + filepath.Join(t.TempDir(), "x.sock"), "no such file"},
		{"no agent yet", strings.TrimPrefix(none.url, "http://"), "503 Service Unavailable: no agent runs yet"},
	} {
		if _, err := FetchStatus(t.Context(), tt.address); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.address) {
			t.Errorf("%s: %v, want %q and the address", tt.name, err, tt.want)
		}
	}
}
