package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/restaple/restaple/agent/lab/badnet"
)

// TestNamesThatFailOrHangDelayNoOther makes a pass on a machine of its own, as
// far as names and addresses go: /etc/resolv.conf names a server that says
// nothing of one responder, that another does not exist, and that two more have
// an IPv6 address, where packets vanish or do not get to.
func TestNamesThatFailOrHangDelayNoOther(t *testing.T) {
	if !apart(t) {
		return
	}
	s := newScene(t)
	at := netip.MustParseAddrPort(strings.TrimSuffix(strings.TrimPrefix(s.issued.Certificate.OCSPServer[0], "http://"), "/"))
	end, err := badnet.DeadEnd(netip.AddrPortFrom(netip.IPv6Loopback(), at.Port()))
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "ipv6") {
			t.Fatal(err)
		}
		t.Skipf("no IPv6 here: %v", err)
	}
	t.Cleanup(end)
	zone := map[string]badnet.Answer{
		"good.test":    {Addrs: []netip.Addr{at.Addr()}},
		"dead.test":    {Addrs: []netip.Addr{netip.IPv6Loopback(), at.Addr()}},
		"far.test":     {Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::1"), at.Addr()}},
		"silent.test":  {Silent: true},
		"failing.test": {Fails: true},
		"nobody.test":  {Nobody: true},
	}
	if _, err := badnet.Names(t.Context(), "127.0.0.1:53", func(name string, _ bool) badnet.Answer { return zone[name] }); err != nil {
		t.Fatal(err)
	}
	for name := range zone {
		s.issue(name+".pem", fmt.Sprintf("http://%s:%d/", name, at.Port()))
	}
	cmd := exec.Command(os.Args[0], "refresh", "-o", "json", "--config", s.config("allow: [127.0.0.0/8, '::1']", "connect_timeout: 6s"))
	cmd.Env = append(os.Environ(), asProgram+"=1", "NO_PROXY=*")
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err == nil {
		t.Error("all is said to be well")
	}
	certs := readReport(t, string(out))
	for name, want := range map[string]string{"good.test": "", "dead.test": "", "far.test": "", "silent.test": "dns", "failing.test": "dns", "nobody.test": "dns"} {
		if c, found := certs[name+".pem"]; !found || c.Reason != want || c.OK != (want == "") {
			t.Errorf("%s: %s, reason %q (%s), want %q", name, c.State, c.Reason, c.Error, want)
		}
	}
	if t.Failed() {
		t.Log(log.String())
	}
}

// apartKey is set where a test runs in namespaces of its own.
const apartKey = "RESTAPLE_TEST_APART"

// apart runs the test again in namespaces of its own, where loopback is all the
// network there is and 127.0.0.1 is the name server. It returns true there; the
// caller outside has nothing more to do.
func apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apartKey) != "" {
		if err := furnish(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), apartKey+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "namespaces") {
			t.Fatal(err)
		}
		t.Skipf("no namespaces of one's own here: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if strings.Contains(out.String(), "--- SKIP") {
		t.Skip(out.String())
	}
	return false
}

// furnish makes the new namespaces fit to work in.
func furnish(dir string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	for path, text := range map[string]string{"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/hosts": "127.0.0.1 localhost\n"} {
		own := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(own, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("put another %s there: %w", path, err)
		}
	}
	return nil
}
