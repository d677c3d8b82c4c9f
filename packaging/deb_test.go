package packaging

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/restaple/restaple/packaging/internal/machine"
)

// TestDebianPackageIsInstalledUpgradedRemovedAndPurged does so with dpkg on a
// machine without systemd.
func TestDebianPackageIsInstalledUpgradedRemovedAndPurged(t *testing.T) {
	t.Parallel()
	m := machine.Machine{Files: map[string]string{"old.deb": file(t, "1.2.3", ".deb"), "new.deb": file(t, "1.3.0", ".deb")}}
	m.Run(t, `
rm -rf /var/lib/restaple # of the machine around this one
dpkg --install /payload/old.deb
restaple version | grep 'restaple 1\.2\.3 '
getent passwd restaple | grep ':/var/lib/restaple:/usr/sbin/nologin$'
grep -q '^certificates:' /etc/restaple/restaple.yaml
man -w restaple-refresh
systemd-analyze verify /usr/lib/systemd/system/restaple.service
bash -c '. /usr/share/bash-completion/completions/restaple && complete -p restaple'
dpkg --verify restaple

# What a deploy hook does before the service has ever run.
restaple lab init /lab
mkdir -p /srv/tls
restaple lab issue /lab site.test --out /srv/tls/site.pem
restaple lab serve /lab &
printf 'allow: [127.0.0.0/8]\ncertificates: [{paths: [/srv/tls], staple: "/var/lib/restaple/staples/{base}.ocsp"}]\n' >/tmp/restaple.yaml
runuser -u restaple -- restaple refresh --wait=20s --config /tmp/restaple.yaml --state-dir /var/lib/restaple
test -s /var/lib/restaple/staples/site.pem.ocsp
kill %1
rm -r /var/lib/restaple

# A later version has another configuration: one that nobody has changed is
# replaced, and stays a secret if it was made one.
chgrp restaple /etc/restaple/restaple.yaml
chmod 0640 /etc/restaple/restaple.yaml
secret() { [ "$(stat -c %G:%a /etc/restaple/restaple.yaml)" = restaple:640 ]; }
dpkg-deb --raw-extract /payload/new.deb /tmp/later
echo '# of a later version' >>/tmp/later/etc/restaple/restaple.yaml
dpkg-deb --build -Zgzip -z1 /tmp/later /tmp/later.deb
dpkg --install /tmp/later.deb
grep '# of a later version' /etc/restaple/restaple.yaml
secret
dpkg --install /payload/old.deb
not grep '# of a later version' /etc/restaple/restaple.yaml

# A changed one survives. Nobody is asked unless the package's is another, too:
# then that is beside it.
echo '# mine' >>/etc/restaple/restaple.yaml
dpkg --install /payload/new.deb </dev/null
restaple version | grep 'restaple 1\.3\.0 '
grep '# mine' /etc/restaple/restaple.yaml
secret
dpkg --install /payload/old.deb </dev/null # back again
keep() { dpkg --install --force-confdef --force-confold "$1"; }
keep /tmp/later.deb
grep '# mine' /etc/restaple/restaple.yaml
not grep '# of a later version' /etc/restaple/restaple.yaml
grep '# of a later version' /etc/restaple/restaple.yaml.dpkg-dist
keep /payload/new.deb
rm -f /etc/restaple/restaple.yaml.dpkg-dist

# Removed: the configuration and the state are left.
mkdir -p /var/lib/restaple/hooks /var/lib/restaple/staples
touch /var/lib/restaple/claims /var/lib/restaple/staples/site.pem.ocsp /var/lib/restaple/other.ocsp
dpkg --remove restaple
test ! -e /usr/bin/restaple
test ! -e /usr/lib/systemd/system/restaple.service
grep '# mine' /etc/restaple/restaple.yaml
test -e /var/lib/restaple/claims
dpkg --status restaple | grep 'Status: deinstall ok config-files'

# Installed again: the configuration is there.
dpkg --install /payload/new.deb
grep '# mine' /etc/restaple/restaple.yaml

# Purged: all is gone, but staples that a server may read.
dpkg --purge restaple | tee /tmp/said
grep 'staples are left' /tmp/said
test ! -e /etc/restaple
test ! -e /var/lib/restaple/claims
test -e /var/lib/restaple/staples/site.pem.ocsp
test -e /var/lib/restaple/other.ocsp
not dpkg --status restaple
getent passwd restaple

# Without staples nothing is left.
rm -r /var/lib/restaple
dpkg --install /payload/new.deb
mkdir -p /var/lib/restaple/staples /var/lib/restaple/hooks
dpkg --purge restaple
test ! -e /var/lib/restaple
`)
}

// TestLintianHasNoComplaint is about Debian's rules for packages. What does not
// hold for this one is in debian/lintian-overrides, with the reason.
func TestLintianHasNoComplaint(t *testing.T) {
	deb := file(t, "1.2.3", ".deb")
	lintian, err := exec.LookPath("lintian")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("RESTAPLE_TEST_REQUIRE"), ","), "lintian") {
			t.Fatal(err)
		}
		t.Skip("lintian is not installed")
	}
	if said, err := exec.Command(lintian, "--allow-root", "--fail-on", "error,warning", deb).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}
