package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDeployHooksNameTheNewChain runs the hooks with what each tool says of a
// renewal. What restaple then does is seen in TestTheServiceOnAMachineWithNginx.
func TestDeployHooksNameTheNewChain(t *testing.T) {
	bin := t.TempDir()
	for name, text := range map[string]string{
		"runuser":  "#!/bin/sh\n[ \"$1 $2 $3\" = '-u restaple --' ] || exit 9\nshift 3\nexec \"$@\"\n",
		"restaple": "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 3\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// What the tools set: certbot's manual, "renewing certificates"; acme.sh's
	// _installcert; lego's cmd/hook.go of versions 4 and 5; dehydrated's
	// docs/examples/hook.sh.
	const chain = "/etc/tls/a b/fullchain.pem"
	for _, c := range []struct {
		name string
		hook string
		env  []string
		args []string
		none bool // nothing is to be done
	}{
		{name: "certbot", hook: "certbot", env: []string{"RENEWED_LINEAGE=/etc/tls/a b", "RENEWED_DOMAINS=a.example b.example"}},
		{name: "acme.sh", hook: "acme.sh", env: []string{
			"CERT_PATH=", "CERT_KEY_PATH=/etc/tls/key", "CA_CERT_PATH=", "CERT_FULLCHAIN_PATH=" + chain, "Le_Domain=a.example"}},
		{name: "lego 4", hook: "lego", env: []string{
			"LEGO_ACCOUNT_EMAIL=a@b.example", "LEGO_CERT_DOMAIN=a.example", "LEGO_CERT_PATH=" + chain, "LEGO_CERT_KEY_PATH=/etc/tls/key"}},
		{name: "lego with new names", hook: "lego", env: []string{"LEGO_HOOK_CERT_PATH=" + chain}},
		{name: "dehydrated", hook: "dehydrated", args: []string{"deploy_cert", "a.example", "/k", "/c", chain, "/chain", "1767323045"}},
		{name: "dehydrated, another event", hook: "dehydrated", args: []string{"unchanged_cert", "a.example", "/k", "/c", chain, "/chain"}, none: true},
		{name: "dehydrated, an unknown event", hook: "dehydrated", args: []string{"this_hookscript_is_broken__dehydrated_is_working_fine__please_ignore_unknown_hooks_in_your_script"}, none: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("../examples/"+c.hook+"/restaple", c.args...)
			cmd.Env = append([]string{"PATH=" + bin + ":/usr/bin:/bin"}, c.env...)
			said, err := cmd.Output()
			got := strings.Split(strings.TrimSuffix(string(said), "\n"), "\n")
			if c.none {
				if err != nil || string(said) != "" {
					t.Errorf("got %q, %v, want nothing", said, err)
				}
				return
			}
			if cmd.ProcessState.ExitCode() != 3 {
				t.Errorf("got exit code %d, want restaple's (%v)", cmd.ProcessState.ExitCode(), err)
			}
			want := []string{"refresh", "--config", "/etc/restaple/restaple.yaml", "--state-dir", "/var/lib/restaple", chain}
			if strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("got restaple %q, want %q", got, want)
			}
		})
	}
}
