package packaging

import (
	"testing"

	"github.com/restaple/restaple/packaging/internal/machine"
)

// TestDebianPackageIsInstalledUpgradedRemovedAndPurged does so with dpkg on a
// machine without systemd.
func TestDebianPackageIsInstalledUpgradedRemovedAndPurged(t *testing.T) {
	m := machine.Machine{Files: map[string]string{"old.deb": file(t, "1.2.3", ".deb"), "new.deb": file(t, "1.3.0", ".deb")}}
	m.Run(t, `
dpkg --install /payload/old.deb
restaple version | grep 'restaple 1\.2\.3 '
getent passwd restaple | grep ':/var/lib/restaple:/usr/sbin/nologin$'
grep -q '^certificates:' /etc/restaple/restaple.yaml
man -w restaple-refresh
systemd-analyze verify /usr/lib/systemd/system/restaple.service
bash -c '. /usr/share/bash-completion/completions/restaple && complete -p restaple'
dpkg --verify restaple

# A changed configuration survives an upgrade, and what is unchanged is new.
echo '# mine' >>/etc/restaple/restaple.yaml
dpkg --install /payload/new.deb
restaple version | grep 'restaple 1\.3\.0 '
grep '# mine' /etc/restaple/restaple.yaml

# Back again.
dpkg --install /payload/old.deb
dpkg --install /payload/new.deb

# Removed: the configuration and the state are left.
mkdir -p /var/lib/restaple/hooks /var/lib/restaple/staples
touch /var/lib/restaple/claims /var/lib/restaple/staples/site.pem.ocsp /var/lib/restaple/other.ocsp
dpkg --remove restaple
! command -v restaple
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
! dpkg --status restaple
getent passwd restaple

# Without staples nothing is left.
rm -r /var/lib/restaple
dpkg --install /payload/new.deb
mkdir -p /var/lib/restaple/staples /var/lib/restaple/hooks
dpkg --purge restaple
test ! -e /var/lib/restaple
`)
}
