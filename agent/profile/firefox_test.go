package profile

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// firefoxSettings keep Firefox from asking its makers for anything.
const firefoxSettings = `user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:1/");
user_pref("toolkit.telemetry.enabled", false);
`

// firefoxPage fetches from all servers, one after the other, and reports which
// of them answered: a connection that is refused is an error to it.
const firefoxPage = `<!doctype html><script>
(async () => {
	let refused = [];
	for (const port of [%s]) {
		try { await fetch("https://localhost:" + port + "/", {mode: "no-cors", cache: "no-store"}) } catch { refused.push(port) }
	}
	await fetch("/seen", {method: "POST", body: refused.join(" ")});
})();
</script>`

// TestFirefoxReactsAsForeseen has one Firefox, which takes seconds to start,
// ask a server for each sample.
func TestFirefoxReactsAsForeseen(t *testing.T) {
	t.Parallel()
	program, certutil := requireProgram(t, "firefox-esr"), requireProgram(t, "certutil")
	pki := newPKI(t)
	all := samples(t, pki, time.Now().Truncate(time.Second))
	var asked []sample
	var ports []string
	for _, s := range all {
		if s.trait == blank {
			continue // no server can send it
		}
		asked = append(asked, s)
		ports = append(ports, stapling(t, s.issued.TLS(s.der), tls.VersionTLS13))
		if s.trait == unstapled { // the same without any staple
			asked, ports = append(asked, s), append(ports, stapling(t, s.issued.TLS(nil), tls.VersionTLS13))
		}
	}
	seen := make(chan string, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /seen", func(_ http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		seen <- body.String()
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, firefoxPage, strings.Join(ports, ","))
	})
	page := httptest.NewServer(mux)
	defer page.Close()

	dir := t.TempDir()
	root := filepath.Join(dir, "root.pem")
	if err := os.WriteFile(root, pki.Root.CertPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "user.js"), []byte(firefoxSettings), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), certutil, "-A", "-d", "sql:"+dir, "-n", "lab", "-t", "C,,", "-i", root).CombinedOutput(); err != nil {
		t.Fatalf("certutil: %v\n%s", err, out)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-remote", "--profile", dir, page.URL+"/")
	cmd.Env = append(os.Environ(), "HOME="+dir, "MOZ_CRASHREPORTER_DISABLE=1")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its processes go with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var refused string
	select {
	case refused = <-seen:
		stop()
		<-ended
	case err := <-ended:
		t.Fatalf("it has ended: %v\n%s", err, out.String())
	}
	reader, err := ReadersByName([]string{"firefox"})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range asked {
		want := reader[0].Foresee(TraitsOf(s.der, s.chain(t), time.Now()))
		if got := strings.Contains(" "+refused+" ", " "+ports[i]+" "); got != (want.Does == Refuses) {
			t.Errorf("%s: refused %v, want that it %s (%s)", s.trait, got, want.Does, want.Detail)
		}
	}
}
